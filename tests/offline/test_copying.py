"""A store that was copied is the same store: whatever was in it, and wherever the copy was cut off."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fhir_server.cli.frame import main
from fhir_server.fhir.errors import Unavailable
from fhir_server.offline import copying
from fhir_server.offline.backends import upkeep_of
from fhir_server.offline.checking import Finding, Reached, scrubbing, verifying
from fhir_server.offline.copying import Contents, Copied, Progress, copy
from fhir_server.settings import Settings
from fhir_server.storage.moving import OptOut, Row, Version
from fhir_server.storage.sqlite.taking import SQLiteTaking
from fhir_server.wiring import opened_store
from tests.offline.records import fill
from tests.support import mongo
from tests.support.data import ROOT
from tests.support.nodes import command, environment
from tests.support.steps import all_steps

EVERY = 40
"""Of so many records one is copied here; `scripts/copy-records` copies all of them."""

NOW = 1_900_000_000_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Return the address of a MongoDB of this module."""
    process, address = mongo.started()
    yield address
    mongo.ended(process)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a store with records."""
    folder = tmp_path_factory.mktemp("ward")
    settings = at(folder / "ward.db")
    asyncio.run(fill(settings, folder, every=EVERY))
    return settings


def at(place: Path | str) -> Settings:
    return Settings(store=place if isinstance(place, str) else f"sqlite:{place}")


def copied(source: Settings, target: Settings) -> Copied:
    return asyncio.run(copy(source, target, Progress(), now=NOW))


def contents(settings: Settings) -> Contents:
    """Return what a store has."""

    async def read() -> Contents:
        async with upkeep_of(settings).giving() as giving:
            return await copying.contents_of(giving, Progress(), now=NOW)

    return asyncio.run(read())


def test_a_store_is_not_copied_to_itself(ward: Settings) -> None:
    with pytest.raises(Unavailable, match="not copied to itself"):
        copied(ward, ward)


def test_from_a_file_to_a_database_and_back_it_stays_the_same(
    ward: Settings, tmp_path: Path, server: str
) -> None:
    there, back = at(f"{server}/ward"), at(tmp_path / "back.db")

    told = copied(ward, there), copied(there, back)

    assert contents(ward) == contents(there) == contents(back) == told[0].contents
    assert told[0].contents == told[1].contents
    assert told[0].moment == asyncio.run(latest(back))
    for each in (ward, there, back):
        assert problems(each) == []
    assert verified(there) == verified(back) == verified(ward)


def problems(settings: Settings) -> list[Finding]:
    return [each for each in all_steps(scrubbing(settings)) if isinstance(each, Finding)]


def verified(settings: Settings) -> Reached:
    """Return how the audit log ends."""
    end = all_steps(verifying(settings))[-1]
    assert isinstance(end, Reached)
    return end


async def latest(settings: Settings) -> int:
    async with opened_store(settings) as store:
        return await store.now()


def test_sessions_and_page_links_stay_behind(ward: Settings, tmp_path: Path) -> None:
    target = at(tmp_path / "copy.db")
    copied(ward, target)

    async def kept() -> tuple[bytes | None, bytes | None, bool]:
        async with opened_store(ward) as before, opened_store(target) as store:
            cursor = await before.secret("cursor") == await store.secret("cursor")
            values = store.key_values
            client = await values.get("client", "app", now=NOW)
            return client, await values.get("session", "s", now=NOW), cursor

    assert asyncio.run(kept()) == (b"{}", None, False)


def test_a_copy_that_differs_from_its_source_is_refused_and_opens_for_nobody(
    ward: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = at(tmp_path / "copy.db")
    monkeypatch.setattr(SQLiteTaking, "take", spoiling(SQLiteTaking.take))

    with pytest.raises(Unavailable, match="differs from the source in Observation, opt-outs: give"):
        copied(ward, target)

    with pytest.raises(Unavailable, match="no whole copy"):
        asyncio.run(latest(target))


def spoiling(take: Any) -> Any:
    """Return what takes rows with a byte of an Observation changed, and without the last opt-out."""

    async def spoil(taking: SQLiteTaking, rows: Sequence[Row]) -> None:
        kept = rows[:-1] if isinstance(rows[0], OptOut) else rows
        await take(taking, list(map(spoilt, kept)))

    return spoil


def spoilt(row: Row) -> Row:
    if isinstance(row, Version) and row.type == "Observation" and row.body:
        return row._replace(body=row.body.replace(b"final", b"fianl"))
    return row


KILLED = """
import os, signal, sys
from fhir_server.cli.frame import main
from fhir_server.storage.moving import Mark

after, calls = Mark.after, []

def dying(mark, rows):
    calls.append(rows)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return after(mark, rows)

Mark.after = dying
main(sys.argv[1:])
"""
"""Copies, and is killed while the third lot of rows is being written."""


@pytest.mark.parametrize("backend", ["sqlite", "mongo"])
def test_a_copy_that_was_killed_goes_on_and_is_served_only_when_it_is_whole(
    backend: str, ward: Settings, tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = at(tmp_path / "copy.db" if backend == "sqlite" else f"{server}/killed")
    arguments = ["copy", "--from", ward.store, "--to", target.store]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], cwd=ROOT, env=environment(), check=False
    )

    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(Unavailable, match=f"go on with fhir-server copy --from {ward.store} --to"):
        asyncio.run(latest(target))
    served = command("serve", "--port", "0", "--auth", "none", "--store", target.store)
    assert served.returncode == 1
    assert f"go on with fhir-server copy --from {ward.store} --to {target.store}" in served.stderr
    main(arguments)

    told = re.search(r"rows copied, (\d+) of them before, and compared", capsys.readouterr().out)
    assert told is not None
    assert int(told[1]) > 1
    assert contents(target) == contents(ward)


def test_what_is_printed_tells_of_types_and_numbers_and_of_no_secret(
    ward: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["copy", "--from", ward.store, "--to", f"sqlite:{tmp_path / 'copy.db'}"])

    lines = capsys.readouterr().out.splitlines()
    assert [each for each in lines if re.fullmatch(r"Patient +\d+  [0-9a-f]{32}", each)]
    assert [each for each in lines if re.fullmatch(r"secrets +\d+", each)]
    assert lines[-1].startswith(f"sqlite:{tmp_path / 'copy.db'} is a whole copy, as of 20")
