"""The scrub finds each way in which a store could be wrong."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec
import pytest

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.search.record import IndexRecord, Range
from fhir_server.storage.contract import Delete, Draft, Put
from fhir_server.storage.sqlite.emptying import empty_store
from fhir_server.storage.sqlite.reindexing import reindex
from fhir_server.storage.sqlite.scrub import scrub
from fhir_server.storage.sqlite.store import open_store
from fhir_server.storage.upkeep import Finding, Progress
from tests.storage.conftest import ticking


def extract(body: bytes) -> IndexRecord:
    """Return the record that `filled` wrote with a body."""
    resource = msgspec.json.decode(body)
    return a_record(resource["id"], resource["n"])


def a_record(logical_id: str, number: int) -> IndexRecord:
    return IndexRecord(
        id=logical_id,
        terms=(f"code={number}\x1f", f"family!X{number}"),
        ranges=(Range("date", number, number + 5),),
        present=("code", "date"),
        primary=number,
        compartments=("ada",),
        mentions=("ada", "bob"),
    )


@pytest.fixture
async def filled(tmp_path: Path) -> Path:
    """Return a store with three resources, one of them with versions, one deleted."""
    path = tmp_path / "store.db"
    async with open_store(path, clock=ticking()) as store:
        for logical_id, number in (("a", 1), ("b", 2), ("c", 3), ("a", 4)):
            key = Key("Observation", logical_id)
            record = a_record(logical_id, number)
            await store.write([Put(Draft(key, b"", b'"n":%d' % number, record))], atomic=True)
        await store.write([Delete(Key("Observation", "c"))], atomic=True)
    return path


def findings(path: Path) -> list[str]:
    return [f"{e.subject}: {e.problem}" for e in scrub(path, extract) if isinstance(e, Finding)]


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(
        b"not a database, but some text that is long enough to be read as a header" * 9
    )

    with pytest.raises(Unavailable, match="cannot be opened"):
        findings(path)


async def test_a_sound_store_has_no_findings_and_tells_how_far_it_is(filled: Path) -> None:
    steps = list(scrub(filled, extract))

    assert steps == [Progress(1, 3), Progress(2, 3), Progress(3, 3)]


def is_within(path: Path, content: bytes) -> bool:
    return content in path.read_bytes()


DAMAGES = [
    ("DELETE FROM term WHERE term LIKE '%code=4%'", "a posting of parameter"),
    ("DELETE FROM term WHERE term LIKE '%@ada'", "a posting of parameter '@ada'"),
    ("INSERT INTO term VALUES('Observation.code=9', 1, 1, 1)", "table term: "),
    ("DELETE FROM span WHERE rid=1", "a range of axis 'Observation.date.0' is missing"),
    ("INSERT INTO span VALUES('Observation.date.0', 7, 8, 1, 1, 1)", "table span: "),
    ("UPDATE term SET owner=99 WHERE rid=2", "a posting of parameter"),
    ("UPDATE resource SET owner=99 WHERE rid=1", "the owner class is not that"),
    ("UPDATE resource SET primary_date=99 WHERE rid=1", "the primary date is not that"),
    ("UPDATE resource SET version=5 WHERE rid=1", "the current version is 5, the history holds 1"),
    ("DELETE FROM history WHERE rid=1", "the history holds 0"),
    ("UPDATE resource SET body=replace(body,'4','5') WHERE rid=1", "is not that of the body"),
]


@pytest.mark.parametrize(("damage", "found"), DAMAGES, ids=[each[0] for each in DAMAGES])
async def test_each_damage_is_found(filled: Path, damage: str, found: str) -> None:
    connection = apsw.Connection(str(filled))
    if "body=" in damage:
        body = connection.execute("SELECT body FROM resource WHERE rid=1").get
        changed = body.replace(b'"n":4', b'"n":5')
        connection.execute("UPDATE resource SET body=? WHERE rid=1", (changed,))
    else:
        connection.execute(damage)
    connection.close()

    assert any(found in each for each in findings(filled))


MENDED = [each for each, _ in DAMAGES if "INSERT" not in each and "version=" not in each]


@pytest.mark.parametrize("damage", [each for each in MENDED if "history" not in each])
async def test_what_is_wrong_with_the_index_is_mended_by_indexing_anew(
    filled: Path, damage: str
) -> None:
    connection = apsw.Connection(str(filled))
    if "body=" not in damage:
        connection.execute(damage)
    connection.close()

    steps = list(reindex(filled, extract))

    assert steps == [Progress(2, 2)]
    assert findings(filled) == []


async def test_what_another_release_indexed_is_served_once_it_is_indexed_anew(
    filled: Path,
) -> None:
    connection = apsw.Connection(str(filled))
    connection.pragma("application_id", 0)
    connection.execute("INSERT INTO term VALUES('Observation.old', 0, 1, 1)")
    connection.close()
    with pytest.raises(Unavailable, match="another release"):
        async with open_store(filled, clock=ticking()):
            pass

    list(reindex(filled, extract))

    assert findings(filled) == []
    async with open_store(filled, clock=ticking()) as store:
        assert await store.now()


async def test_indexing_anew_follows_what_the_extractor_finds_now(filled: Path) -> None:
    def extract_more(body: bytes) -> IndexRecord:
        record = extract(body)
        return a_record(record.id, record.primary + 100)

    list(reindex(filled, extract_more))

    assert [e for e in scrub(filled, extract_more) if isinstance(e, Finding)] == []
    assert findings(filled) != []


async def test_emptying_leaves_a_store_that_begins_anew(filled: Path) -> None:
    assert empty_store(filled) == 2
    assert findings(filled) == []
    assert not is_within(filled, b'"n":')

    async with open_store(filled, clock=ticking()) as store:
        draft = Draft(Key("Observation", "a"), b"", b'"n":1', a_record("a", 1))
        (written,) = await store.write([Put(draft)], atomic=True)

    assert getattr(written, "created", False)
    assert findings(filled) == []


def test_emptying_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert empty_store(tmp_path / "absent.db") == 0
