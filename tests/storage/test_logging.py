"""What waits to be logged in SQLite: it is kept when a commit fails, and whoever brings too much waits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import msgspec
import pytest

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.storage import logbook
from fhir_server.storage.contract import Put
from tests.storage.conftest import open_sqlite
from tests.storage.test_audit_log import texts, told
from tests.storage.test_contract import a_draft

BLOCKED = "CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END"


def entry(number: int) -> bytes:
    return msgspec.msgpack.encode(str(number))


def run(folder: Path, statement: str) -> None:
    connection = apsw.Connection(str(folder / "store.db"))
    connection.set_busy_timeout(5_000)
    connection.execute(statement)
    connection.close()


async def test_what_cannot_be_logged_is_refused_and_logged_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "AGAIN", 0.01)
    async with open_sqlite(tmp_path) as store:
        run(tmp_path, BLOCKED)
        with pytest.raises(Unavailable):
            await store.audit_log.append(entry(1), durable=True)
        await store.audit_log.append(entry(2), durable=False)

        run(tmp_path, "DROP TRIGGER no_audit")
        await store.audit_log.append(entry(3), durable=True)

        assert await texts(store) == ["1", "2", "3"]


async def test_a_write_that_cannot_be_logged_is_not_written(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store:
        run(tmp_path, BLOCKED)

        with pytest.raises(Unavailable):
            await store.write([Put(a_draft())], atomic=False, told=told)

        run(tmp_path, "DROP TRIGGER no_audit")
        assert await store.now() == 0
        assert await texts(store) == []


async def test_who_brings_more_than_waits_in_memory_waits_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "MOST_WAITING", 5)
    monkeypatch.setattr(logbook, "LINGER", 60)
    async with open_sqlite(tmp_path) as store:
        for number in range(20):
            await store.audit_log.append(entry(number), durable=False)
        # Without waiting for room, none of them would be committed for a minute.
        seen = await store.audit_log.entries(0, 100)

        assert len(seen) >= 15
        assert await texts(store) == [str(number) for number in range(20)]


async def test_who_waits_for_room_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "MOST_WAITING", 2)
    monkeypatch.setattr(logbook, "PATIENCE", 0.05)
    monkeypatch.setattr(logbook, "AGAIN", 60)
    async with open_sqlite(tmp_path) as store:
        run(tmp_path, BLOCKED)
        await store.audit_log.append(entry(0), durable=False)
        await store.audit_log.append(entry(1), durable=False)

        refused = [
            each
            for each in await asyncio.gather(
                *(store.audit_log.append(entry(number), durable=False) for number in range(2, 5)),
                return_exceptions=True,
            )
            if isinstance(each, Unavailable)
        ]
        assert len(refused) == 3

        run(tmp_path, "DROP TRIGGER no_audit")
        assert await texts(store) == ["0", "1"]


async def test_an_operation_that_fails_takes_no_entry_with_it(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store:
        run(
            tmp_path,
            "CREATE TRIGGER t BEFORE INSERT ON resource WHEN new.id='bad' BEGIN SELECT RAISE(ABORT,''); END",
        )
        await store.audit_log.append(entry(1), durable=False)
        good, bad = await asyncio.gather(
            store.write([Put(a_draft())], atomic=False, told=told),
            store.write([Put(a_draft(Key("Patient", "bad")))], atomic=False),
            return_exceptions=True,
        )

        assert not isinstance(good, BaseException)
        assert isinstance(bad, Unavailable)
        assert await texts(store) == ["1", "Written"]
