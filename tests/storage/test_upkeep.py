"""What operators do to a store: on each backend a damage is found, and indexing anew mends what can be mended."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.policy.decision import Audience, LaidDown
from fhir_server.search.record import INDEX_FORMAT, IndexRecord, Range, token_term
from fhir_server.storage.contract import Delete, Draft, Put, Store
from fhir_server.storage.mongo import reindexing as mongo_reindexing
from fhir_server.storage.mongo.opening import open_store as open_mongo
from fhir_server.storage.mongo.upkeep import MongoUpkeep
from fhir_server.storage.sqlite import reindexing as sqlite_reindexing
from fhir_server.storage.sqlite.store import open_store as open_sqlite
from fhir_server.storage.sqlite.upkeep import SQLiteUpkeep
from fhir_server.storage.upkeep import Broken, Finding, People, Progress, Reached, Upkeep
from tests.storage.conftest import BACKENDS, ENFORCEMENT, NHS_NUMBER, START, ticking
from tests.storage.moving import NO_RESEARCH, NUMBERS, sqlite_file
from tests.storage.test_contract import EVERYTHING
from tests.storage.test_moving import MARK
from tests.support import mongo
from tests.support.steps import every

RESEARCH = EVERYTHING.of_audience(Audience("HRESCH"), at=START)
TOKYO = "Asia/Tokyo"


@contextmanager
def mongo_upkeep(folder: Path) -> Iterator[Upkeep]:
    with mongo.database(folder) as url:
        yield MongoUpkeep(url)


UPKEEP: Mapping[str, Callable[[Path], AbstractContextManager[Upkeep]]] = {
    "sqlite": lambda folder: nullcontext(SQLiteUpkeep(sqlite_file(folder))),
    "mongo": mongo_upkeep,
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Return the name of each backend in turn."""
    name: str = request.param
    return name


def extract(body: bytes) -> IndexRecord:
    """Return the record of a resource as `filled` wrote it."""
    resource = msgspec.json.decode(body)
    name, number = resource["id"], resource.get("n", 0)
    if resource["resourceType"] == "Patient":
        terms: tuple[str, ...] = (token_term("identifier", NHS_NUMBER, NUMBERS[name]),)
        return IndexRecord(name, terms, (), (), START, (name,), (name,))
    terms = (f"code={number}\x1f", f"family!X{number}")
    ranges = (Range("date", number, number + 5), Range("value\x1fmg", f"{number}", f"{number}"))
    return IndexRecord(name, terms, ranges, ("code",), number, ("ada",), ("ada", "grace"))


def laid_down(body: bytes) -> LaidDown | None:
    is_consent = msgspec.json.decode(body)["resourceType"] == "Consent"
    return LaidDown("ada", (NO_RESEARCH,)) if is_consent else None


PEOPLE = People(ENFORCEMENT, laid_down)


def a_put(kind: str, name: str, number: int = 0) -> Put:
    key, rest = Key(kind, name), b'"n":%d' % number
    body = b'{"resourceType":"%s","id":"%s",%s}' % (kind.encode(), name.encode(), rest)
    return Put(Draft(key, b"", rest, extract(body), laid_down=laid_down(body)))


@pytest.fixture
async def filled(backend: str, tmp_path: Path) -> Path:
    """Return where a store is that has versions, a deletion, denials, values and a log."""
    async with BACKENDS[backend](tmp_path) as store:
        told = lambda _: msgspec.msgpack.encode("written")  # noqa: E731 - one line of data
        await store.write([a_put("Patient", "ada"), a_put("Consent", "c")], atomic=True, told=told)
        observations = [("a", 1), ("b", 2), ("c", 3), ("a", 4)]
        for name, number in observations:
            await store.write([a_put("Observation", name, number)], atomic=True, told=told)
        await store.write([Delete(Key("Observation", "c"))], atomic=True, told=told)
        assert await sees(store) == []
        await store.key_values.put("client", "app", b"{}", now=START)
    return tmp_path


async def sees(store: Store) -> list[str]:
    """Return which Observations research sees."""
    keys = [Key("Observation", each) for each in "abc"]
    return sorted(row.stored.key.id for row in await store.read_many(RESEARCH, keys))


async def findings(backend: str, folder: Path) -> list[str]:
    with UPKEEP[backend](folder) as upkeep:
        steps = upkeep.scrub(extract, unsettled=(), enforcement=ENFORCEMENT)
        found = [each for each in await every(steps) if isinstance(each, Finding)]
    return [f"{each.subject}: {each.problem}" for each in found]


async def reindexed(backend: str, folder: Path, zone: str = "Europe/London") -> list[Progress]:
    with UPKEEP[backend](folder) as upkeep:
        return await every(upkeep.reindex(extract, generation=0, people=PEOPLE, zone=zone))


async def verified(backend: str, folder: Path) -> list[Reached | Broken]:
    with UPKEEP[backend](folder) as upkeep:
        return await every(upkeep.verified())


def indexed_by_another_release(backend: str, folder: Path) -> None:
    if backend == "sqlite":
        with closing(sqlite3.connect(sqlite_file(folder))) as connection:
            connection.execute(f"PRAGMA application_id={INDEX_FORMAT - 1}")
    else:
        with mongo.database(folder) as url, MongoClient[dict[str, Any]](url) as client:
            state = client.get_default_database()["state"]
            state.update_one({"_id": "store"}, {"$set": {"indexed": INDEX_FORMAT - 1}})


async def test_what_another_release_indexed_is_not_opened_until_it_is_indexed_anew(
    backend: str, filled: Path
) -> None:
    indexed_by_another_release(backend, filled)
    with pytest.raises(Unavailable, match=r"by another release.*run fhir-server reindex"):
        async with BACKENDS[backend](filled):
            pytest.fail("it opened")

    await reindexed(backend, filled)
    async with BACKENDS[backend](filled) as store:
        assert await sees(store) == []


async def test_a_store_that_is_sound_has_no_findings(backend: str, filled: Path) -> None:
    with UPKEEP[backend](filled) as upkeep:
        steps = await every(upkeep.scrub(extract, unsettled=(), enforcement=ENFORCEMENT))

    assert not [each for each in steps if isinstance(each, Finding)]
    assert steps[-1] == Progress(5, 5)
    assert [each.number for each in await verified(backend, filled)] == [1, 2, 3, 4, 5, 6]  # type: ignore[union-attr]


Damage = Callable[[Database[Any]], object]


def changed(collection: str, wanted: Any, **members: Any) -> Damage:
    return lambda database: database[collection].update_one(wanted, {"$set": members})


def gone(collection: str, **wanted: Any) -> Damage:
    return lambda database: database[collection].delete_one(wanted)


A = {"_id": "Observation/a"}
DAMAGES: dict[str, tuple[Damage, str]] = {
    "body": (
        changed("resource", A, b=b'{"resourceType":"Observation","id":"a","n":5}'),
        "is not that of the body: run fhir-server reindex",
    ),
    "terms": (
        changed("resource", A, k=["Observation.code=9"]),
        "Observation/a: postings other than in the index record",
    ),
    "other terms": (changed("resource", A, u=[]), ": terms other than"),
    "ranges": (changed("resource", A, r=[]), ": ranges other than"),
    "date": (changed("resource", A, d=99), ": primary date other than"),
    "compartments": (changed("resource", A, c=[]), ": compartments other than"),
    "elements": (changed("resource", A, p=[]), ": elements other than"),
    "owner": (changed("resource", A, o=1), "Observation/a: the owner class is not that"),
    "axis": (lambda database: database["axis"].delete_many({}), "is not listed"),
    "denials": (
        lambda database: database["denial"].delete_many({}),
        "collection denial: what HRESCH",
    ),
    "stray denial": (
        lambda database: database["denial"].insert_one(
            {"_id": "x", "a": Audience("HRESCH").key, "o": 99, "rows": [["*", 0, 1]]}
        ),
        "owner class 99",
    ),
}
"""What indexing anew mends."""

UNMENDED: dict[str, tuple[Damage, str]] = {
    "version": (
        changed("resource", A, v=5),
        "the current version is 5, the history holds 1 (1 to 1)",
    ),
    "history": (
        gone("history", _id="Observation/a/1"),
        "the current version is 2, the history holds",
    ),
    "stray history": (
        lambda database: database["history"].insert_one({"_id": "Observation/z/1", "n": 99}),
        "collection history: 3 past versions where the current ones have 2",
    ),
    "index": (
        lambda database: database["resource"].drop_index("by_term"),
        "the index by_term of re",
    ),
    "moment": (changed("state", {"_id": "store"}, moment=3), "collection state: moment is 3, and"),
    "number": (changed("state", {"_id": "store"}, rid=1), "collection state: rid is 1, and 5"),
    "log": (changed("audit", {"_id": 2}, moment=3), "audit log: entries 2 to 2"),
}


def damage(folder: Path, work: Damage) -> None:
    with mongo.database(folder) as url, MongoClient[Any](url) as client:
        work(client.get_default_database())


@pytest.mark.parametrize("name", [*DAMAGES, *UNMENDED])
@pytest.mark.parametrize("backend", ["mongo"])
async def test_each_damage_to_a_database_is_found(backend: str, filled: Path, name: str) -> None:
    work, told = (DAMAGES | UNMENDED)[name]
    damage(filled, work)

    found = await findings(backend, filled)

    assert any(told in each for each in found), found


@pytest.mark.parametrize("backend", ["mongo"])
async def test_what_is_wrong_with_the_index_of_a_database_is_mended_by_indexing_anew(
    backend: str, filled: Path
) -> None:
    for name, (work, _) in DAMAGES.items():
        if name != "body":
            damage(filled, work)

    assert await reindexed(backend, filled) == [Progress(4, 4)]

    assert await findings(backend, filled) == []
    async with BACKENDS[backend](filled) as store:
        assert await sees(store) == []
    assert await findings(backend, filled) == []


LOG_DAMAGES: dict[str, tuple[Damage, str]] = {
    "content": (changed("audit", {"_id": 4}, content=b"x"), "entries 4 to 4"),
    "digest": (changed("audit", {"_id": 3}, digest=bytes(32)), "entries 3 to 3"),
    "a block less": (gone("audit", _id=2), "entries 2 to 3"),
    "the last less": (gone("audit", _id=6), "it ends with entry 5, and entry 6 was written"),
    "one more": (
        lambda database: database["audit"].insert_one({"_id": 9, "moment": 1}),
        "it ends with entry 9, and entry 6 was written",
    ),
    "told shorter": (
        lambda database: (
            database["audit"].delete_one({"_id": 6}),
            database["state"].update_one({"_id": "log"}, {"$set": {"number": 5}}),
        ),
        "entry 5: the seal",
    ),
    "another secret": (gone("secret", _id="audit"), "entry 6: the seal"),
}


@pytest.mark.parametrize("name", LOG_DAMAGES)
@pytest.mark.parametrize("backend", ["mongo"])
async def test_whatever_is_done_to_the_log_of_a_database_is_found(
    backend: str, filled: Path, name: str
) -> None:
    work, told = LOG_DAMAGES[name]
    damage(filled, work)

    (broken,) = [each for each in await verified(backend, filled) if isinstance(each, Broken)]

    assert broken.problem.startswith(told)


async def test_indexing_anew_follows_people_and_what_they_lay_down_now(
    backend: str, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_reindexing, "TOGETHER", 2)
    monkeypatch.setattr(sqlite_reindexing, "TOGETHER", 2)
    permitting = People(ENFORCEMENT, lambda _: None)

    with UPKEEP[backend](filled) as upkeep:
        steps = upkeep.reindex(extract, generation=0, people=permitting, zone="Europe/London")
        assert [each.done for each in await every(steps)] == [2, 4]

    assert await findings(backend, filled) == []
    async with BACKENDS[backend](filled) as store:
        assert await sees(store) == ["a", "b"]


async def test_indexing_anew_by_other_parameters_than_those_of_the_store_is_refused(
    backend: str, filled: Path
) -> None:
    with UPKEEP[backend](filled) as upkeep:
        steps = upkeep.reindex(extract, generation=7, people=PEOPLE, zone="Europe/London")
        with pytest.raises(Unavailable, match="have changed meanwhile; please run it again"):
            await every(steps)


async def test_a_store_that_is_half_indexed_in_another_zone_is_of_neither(
    backend: str, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_reindexing, "TOGETHER", 2)
    monkeypatch.setattr(sqlite_reindexing, "TOGETHER", 2)
    with UPKEEP[backend](filled) as upkeep:
        await anext(upkeep.reindex(extract, generation=0, people=PEOPLE, zone=TOKYO))

    for zone in ("Europe/London", TOKYO):
        with pytest.raises(Unavailable, match="run fhir-server reindex"):
            await opens(backend, filled, zone)
    await reindexed(backend, filled, TOKYO)

    await opens(backend, filled, TOKYO)
    with pytest.raises(Unavailable, match="set FHIR_TIME_ZONE=Asia/Tokyo, or stop its"):
        await opens(backend, filled, "Europe/London")


async def opens(backend: str, folder: Path, zone: str) -> None:
    """Open a store in a zone."""
    if backend == "sqlite":
        async with open_sqlite(sqlite_file(folder), clock=ticking(), zone=zone):
            return
    with mongo.database(folder) as url:
        async with open_mongo(url, clock=ticking(), zone=zone):
            return


async def test_a_copy_that_is_not_whole_can_be_given_up_and_nothing_else(
    backend: str, tmp_path: Path
) -> None:
    with UPKEEP[backend](tmp_path) as upkeep:
        async with upkeep.taking() as taking:
            await taking.begin(MARK)
        for steps in (
            upkeep.scrub(extract, unsettled=(), enforcement=ENFORCEMENT),
            upkeep.verified(),
            upkeep.reindex(extract, generation=0, people=PEOPLE, zone="Europe/London"),
        ):
            with pytest.raises(Unavailable, match="it is no whole copy of sqlite"):
                await anext(steps)
        await upkeep.empty()

    async with BACKENDS[backend](tmp_path) as store:
        assert await store.now() == 0


async def test_a_store_that_was_emptied_begins_anew(backend: str, filled: Path) -> None:
    with UPKEEP[backend](filled) as upkeep:
        assert await upkeep.empty() == 4
        assert await upkeep.empty() == 0

    async with BACKENDS[backend](filled) as store:
        assert await store.now() == 0
        assert await store.read(EVERYTHING, Key("Observation", "a"), 1) is None
        assert await store.key_values.get("client", "app", now=START) is None
        assert (await store.audit_log.extent()).last == 0
        await store.write([a_put("Observation", "a", 1)], atomic=True)
    assert await findings(backend, filled) == []


@pytest.mark.parametrize("backend", ["mongo"])
async def test_a_database_that_is_half_emptied_opens_for_nobody_until_that_is_done(
    backend: str, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with UPKEEP[backend](filled) as upkeep:
        with monkeypatch.context() as patched:
            # What has no name cannot be dropped: it is cut off there.
            patched.setattr("fhir_server.storage.mongo.emptying.INDEXES", {"owner": {}, "": {}})
            with pytest.raises(Unavailable, match="InvalidName"):
                await upkeep.empty()

        with pytest.raises(Unavailable, match="that was cut off: run fhir-server reset"):
            async with BACKENDS[backend](filled):
                pytest.fail("it opened")
        await upkeep.empty()

    async with BACKENDS[backend](filled) as store:
        assert await store.now() == 0


@pytest.mark.parametrize("backend", ["mongo"])
async def test_where_no_store_is_that_is_said(backend: str, tmp_path: Path) -> None:
    with UPKEEP[backend](tmp_path) as upkeep:
        for work in (upkeep.catalogue(), every(upkeep.verified())):
            with pytest.raises(Unavailable, match="there is no store in the database"):
                await work
