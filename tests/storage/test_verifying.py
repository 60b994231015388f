"""Whatever is done to the log of a store is found, and the first place of it is named."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec
import pytest

from fhir_server.storage.logbook import Link, linked, packed_entries
from fhir_server.storage.sqlite.verifying import verified
from fhir_server.storage.upkeep import Broken, Reached
from tests.storage.conftest import open_sqlite


async def filled(folder: Path) -> Path:
    """Return a store whose log has five blocks of two entries."""
    async with open_sqlite(folder) as store:
        for number in range(10):
            entry = msgspec.msgpack.encode(f"entry {number}")
            await store.audit_log.append(entry, durable=number % 2 == 1)
    return folder / "store.db"


def problems(path: Path) -> list[str]:
    return [each.problem for each in verified(path) if isinstance(each, Broken)]


CONTENT = packed_entries([msgspec.msgpack.encode("forged")])
FORGED = linked(Link(), 2, 7, CONTENT).digest


@pytest.mark.parametrize(
    ("statement", "values", "place"),
    [
        ("UPDATE audit SET content=? WHERE number=4", (CONTENT,), "entries 3 to 4"),
        ("UPDATE audit SET moment=moment+1 WHERE number=6", (), "entries 5 to 6"),
        ("UPDATE audit SET digest=zeroblob(32) WHERE number=8", (), "entries 7 to 8"),
        ("DELETE FROM audit WHERE number=2", (), "entries 1 to 4"),
        ("DELETE FROM audit WHERE number=6", (), "entries 5 to 8"),
        ("DELETE FROM audit WHERE number=10", (), "it ends with entry 8, and entry 10 was written"),
        ("DELETE FROM audit", (), "it ends with entry 0, and entry 10 was written"),
        ("UPDATE audit SET number=11 WHERE number=10", (), "entries 9 to 11"),
        (
            "UPDATE audit SET content=?, digest=? WHERE number=2",
            (CONTENT, FORGED),
            "entries 1 to 2",
        ),
        ("UPDATE audit_state SET seal=zeroblob(32)", (), "entry 10: the seal"),
        ("DELETE FROM secret WHERE name='audit'", (), "entry 10: the seal"),
    ],
)
async def test_what_was_changed_is_named_by_its_first_place(
    tmp_path: Path, statement: str, values: tuple[bytes, ...], place: str
) -> None:
    path = await filled(tmp_path)
    connection = apsw.Connection(str(path))
    connection.execute(statement, values)
    connection.close()

    (problem,) = problems(path)

    assert problem.startswith(place)


async def test_an_end_that_is_cut_off_and_told_shorter_breaks_the_seal(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    connection = apsw.Connection(str(path))
    connection.execute("DELETE FROM audit WHERE number>6; UPDATE audit_state SET number=6")
    connection.close()

    (problem,) = problems(path)

    assert problem.startswith("entry 6: the seal")


async def test_a_block_that_holds_fewer_than_it_says_is_found(tmp_path: Path) -> None:
    path = await filled(tmp_path)
    connection = apsw.Connection(str(path))
    moment = connection.execute("SELECT moment FROM audit WHERE number=2").get
    digest = linked(Link(), 2, moment, CONTENT).digest
    connection.execute("UPDATE audit SET content=?, digest=? WHERE number=2", (CONTENT, digest))
    connection.close()

    (problem,) = problems(path)

    assert problem.endswith("it holds 1 entries")


async def test_a_log_that_nobody_touched_is_sound(tmp_path: Path) -> None:
    path = await filled(tmp_path)

    steps = list(verified(path))

    assert [each.number for each in steps if isinstance(each, Reached)] == [2, 4, 6, 8, 10]


async def test_a_store_without_a_log_is_sound(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path):
        pass

    assert list(verified(tmp_path / "store.db")) == []
