"""What is MongoDB's own: the server it must be, its indexes, lost connections, several processes, bounds."""

from __future__ import annotations

import asyncio
import gc
import re
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from pymongo.asynchronous.collection import AsyncCollection

from fhir_server.fhir.errors import FhirError, TooCostly, TooLarge, Unavailable, Unreachable
from fhir_server.fhir.resource import Key
from fhir_server.search.expression import HasTerm, HasWords, Plan, SortKey
from fhir_server.search.phrases import Phrase
from fhir_server.search.record import NO_DATE, IndexRecord
from fhir_server.storage.contract import (
    Draft,
    Expectation,
    Put,
    Refused,
    Store,
    WriteResult,
    Written,
)
from fhir_server.storage.mongo import opening, reaching, searching
from fhir_server.storage.mongo.schema import INDEXES
from fhir_server.storage.pages import HistoryScope
from tests.storage.conftest import ENFORCEMENT, open_mongo, ticking
from tests.storage.test_contract import EVERYTHING, a_draft
from tests.storage.test_paging import LASTING_KEYS, PAGE, PLANS, disturbance, put
from tests.support import mongo
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy, proxied


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Collect what a lost connection left: PyMongo does not close a socket that was refused."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def opened(url: str) -> AbstractAsyncContextManager[Store]:
    return opening.open_store(url, clock=ticking(), enforcement=ENFORCEMENT)


async def test_a_server_without_transactions_is_refused_with_the_way_out() -> None:
    process, address = mongo.started("--standalone")
    try:
        with pytest.raises(Unavailable, match=r"--replSet rs0, and run rs.initiate\(\)"):
            async with opened(f"{address}/x"):
                pytest.fail("it opened")
    finally:
        mongo.ended(process)


@pytest.mark.parametrize("url", ["mongodb://", "mongodb://host:port/x", "mongodb://a:b:c@host/x"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Unavailable, match="no address of a MongoDB"):
        async with opened(url):
            pytest.fail("it opened")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mongodb://h/x?tls=ture", "wrong: The value of tls must be"),
        ("mongodb://h/x?tls=true&tlsCAfle=ca.pem", "wrong: Unknown option: tlscafle"),
        ("mongodb://h/x?socketTimeoutMS=-4", "wrong: sockettimeoutms must be"),
        ("mongodb://ada:pa?secret=1@h/x", "(wrong|no address of a MongoDB: [A-Za-z]+)$"),
        ("mongodb://h/ward.prod", "the name of a database has no dot"),
    ],
)
async def test_what_the_driver_would_leave_out_of_an_address_is_refused(
    url: str, told: str
) -> None:
    with pytest.raises(Unavailable, match=told) as refused:
        async with opened(url):
            pytest.fail("it opened")

    assert "secret" not in str(refused.value)


async def test_where_nobody_answers_it_is_said_without_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reaching, "SELECTION_MILLISECONDS", 300)

    with pytest.raises(
        Unavailable, match=r"cannot be reached: 127\.0\.0\.1:.* Connect call failed"
    ) as refusal:
        async with opened(f"mongodb://user:secret@127.0.0.1:{mongo.free_port()}/x"):
            pytest.fail("it opened")

    assert "secret" not in str(refusal.value)


async def test_an_index_that_is_missing_or_another_is_named_with_what_mends_it(
    tmp_path: Path,
) -> None:
    with mongo.database(tmp_path) as url:
        async with opened(url):
            pass
        with MongoClient[dict[str, object]](url) as client:
            there = client.get_default_database()
            there["resource"].drop_index("by_term")
            there["history"].drop_index("by_moment")
            there["history"].create_index("v", name="by_moment")

        with pytest.raises(Unavailable) as refusal:
            async with opened(url):
                pytest.fail("it opened")

    said = str(refusal.value)
    assert 'db.resource.createIndex({"k": 1, "d": -1, "n": -1}, {name: "by_term"})' in said
    assert 'run db.history.dropIndex("by_moment"); db.history.createIndex' in said


async def test_a_database_of_another_time_zone_is_refused(tmp_path: Path) -> None:
    with mongo.database(tmp_path) as url:
        async with opening.open_store(url, clock=ticking(), zone="Asia/Tokyo") as store:
            await fill(store, 1)

        with pytest.raises(Unavailable, match="set FHIR_TIME_ZONE=Asia/Tokyo"):
            async with opened(url):
                pytest.fail("it opened")


async def test_a_database_of_another_release_is_refused(tmp_path: Path) -> None:
    with mongo.database(tmp_path) as url:
        async with opened(url):
            pass
        with MongoClient[dict[str, object]](url) as client:
            client.get_default_database()["state"].update_one(
                {"_id": "store"}, {"$set": {"format": 99}}
            )

        with pytest.raises(Unavailable, match="format 99"):
            async with opened(url):
                pytest.fail("it opened")


async def test_what_two_processes_make_at_once_is_made_once(tmp_path: Path) -> None:
    async with open_mongo(tmp_path) as one, open_mongo(tmp_path) as other:
        assert await one.secret("cursor") == await other.secret("cursor")
    with mongo.database(tmp_path) as url, MongoClient[dict[str, object]](url) as client:
        names = client.get_default_database().list_collection_names()

    assert set(INDEXES) <= set(names)


async def test_processes_that_write_at_once_take_turns_and_lose_nothing(tmp_path: Path) -> None:
    async with open_mongo(tmp_path) as one, open_mongo(tmp_path) as other:

        async def write(store: Store, who: str) -> None:
            for number in range(10):
                await store.write([Put(a_draft(Key("Patient", f"{who}{number}")))], atomic=True)

        await asyncio.gather(write(one, "a"), write(one, "b"), write(other, "c"))
        changes = [each async for each in other.changes(0)]

    assert len({each.key for each in changes}) == 30
    assert [each.token for each in changes] == sorted({each.token for each in changes})


async def test_of_many_creators_in_two_processes_with_one_condition_one_wins(
    tmp_path: Path,
) -> None:
    term = "identifier=9990000018\x1f"
    expectation = Expectation(EVERYTHING, Plan(frozenset({"Patient"}), HasTerm(term)), frozenset())
    async with open_mongo(tmp_path) as one, open_mongo(tmp_path) as other:

        async def create(store: Store, name: str) -> WriteResult:
            draft = a_draft(Key("Patient", name), terms=(term,))
            return (await store.write([Put(draft, expectation=expectation)], atomic=True))[0]

        asked = [
            create(store, f"p{n}{who}")
            for n in range(8)
            for store, who in ((one, "a"), (other, "b"))
        ]
        results = await asyncio.gather(*asked)

    assert sum(isinstance(each, Written) for each in results) == 1
    assert sum(isinstance(each, Refused) for each in results) == 15


@pytest.mark.parametrize("held", ["insert_many", "delete_many"])
async def test_a_register_is_in_force_with_all_its_marks_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    """One who loads a register sleeps after its marks are written, or before those of others are removed."""
    asleep, awake = asyncio.Event(), asyncio.Event()
    statement = getattr(AsyncCollection, held)

    async def sleeping(collection: Any, *arguments: Any, **named: Any) -> Any:
        if held == "delete_many" and not asleep.is_set():
            asleep.set()
            await awake.wait()
        done = await statement(collection, *arguments, **named)
        if not asleep.is_set():
            asleep.set()
            await awake.wait()
        return done

    async with open_mongo(tmp_path) as slow, open_mongo(tmp_path) as quick:
        monkeypatch.setattr(AsyncCollection, held, sleeping)
        late = asyncio.create_task(slow.replace_opt_outs(["9990000018"], as_of=1))
        await asleep.wait()
        monkeypatch.undo()
        await quick.replace_opt_outs(["9990000026"], as_of=2)
        awake.set()
        await asyncio.wait({late})
        people = await quick.people(["9990000018", "9990000026"])
        with mongo.database(tmp_path) as url, MongoClient[dict[str, Any]](url) as client:
            number = client.get_default_database()["opt_out"].count_documents({})

    # The quick one came into force last, or else first: then the slow one was refused.
    assert isinstance(late.exception(), Unavailable) == (held == "insert_many")
    assert [bool(each.provisions) for each in people.values()] == [False, True]
    assert number == 1


@pytest.mark.parametrize("name", ["natural", "-code", "_lastUpdated", "of two types", "two keys"])
async def test_between_pages_others_write_and_what_lasts_is_shown_once(
    tmp_path: Path, name: str
) -> None:
    async with open_mongo(tmp_path) as store, open_mongo(tmp_path) as other:
        await store.write(
            [put(key, number) for number, key in enumerate(LASTING_KEYS)], atomic=True
        )
        random, seen, after, plan = Random(name), [], None, PLANS[name]
        while True:
            page = await store.search(EVERYTHING, plan, after, PAGE)
            seen += [row.stored.key for row in page.rows]
            after = page.next
            if after is None:
                break
            await other.write(
                disturbance(random, "other", updating=name != "_lastUpdated"), atomic=True
            )

    expected = [each for each in LASTING_KEYS if plan.types is None or each.type in plan.types]
    assert [seen.count(each) for each in expected] == [1] * len(expected)


async def test_a_resource_that_is_too_large_fails_alone(tmp_path: Path) -> None:
    huge = a_draft(Key("Binary", "huge"), rest=b'"data":"%b"' % (b"a" * 16_000_000))
    async with open_mongo(tmp_path) as store:
        small, large = await asyncio.gather(
            store.write([Put(a_draft())], atomic=True),
            store.write([Put(huge)], atomic=True),
            return_exceptions=True,
        )

    assert isinstance(large, TooLarge)
    assert not isinstance(small, BaseException)


async def fill(store: Store, number: int) -> None:
    """Write places, each part of the one before."""
    puts = []
    for each in range(number):
        terms = (f"partof>Location/p{each - 1}",) if each else ()
        record = IndexRecord(f"p{each}", terms, (), (), NO_DATE, (), ())
        puts.append(Put(Draft(Key("Location", f"p{each}"), b"", b'"n":1', record)))
    await store.write(puts, atomic=True)


async def test_more_than_may_be_sorted_looked_at_or_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "GATHERED", 3)
    monkeypatch.setattr(searching, "MOST_READ", 3)
    by_name = Plan(frozenset({"Location"}), sort=(SortKey("name", "string", descending=False),))
    of_words = Plan(frozenset({"Location"}), HasWords("content", Phrase(("bone",))))
    async with open_mongo(tmp_path) as store:
        await fill(store, 4)

        with pytest.raises(TooCostly, match="More than 3 resources would have to be sorted"):
            await store.search(EVERYTHING, by_name, None, 2)
        with pytest.raises(TooCostly, match="keeps no index of words"):
            await store.search(EVERYTHING, of_words, None, 2)


async def test_a_search_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    with mongo.database(tmp_path) as url:
        async with opening.open_store(url, clock=ticking(), seconds=0.000_1) as store:
            with pytest.raises(TooCostly, match="longer than"):
                await store.search(EVERYTHING, Plan(frozenset({"Patient"})), None, 2)


@asynccontextmanager
async def behind_a_proxy(tmp_path: Path) -> AsyncIterator[tuple[Store, Proxy]]:
    with mongo.database(tmp_path) as url:
        parts = urlsplit(url)
        assert parts.hostname
        async with proxied(parts.hostname, parts.port or 27_017) as proxy:
            address = f"mongodb://127.0.0.1:{proxy.port}{parts.path}?directConnection=true"
            async with AsyncExitStack() as stack:
                yield await reached(stack, address), proxy


async def reached(stack: AsyncExitStack, address: str) -> Store:
    """Return a store once it opens: a busy server may take longer than it is given."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Unreachable):
                return await stack.enter_async_context(opened(address))


async def until_answered(store: Store) -> None:
    """Return once a store reaches its server."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Unavailable):
                await store.now()
                return


async def test_while_nobody_answers_reads_and_writes_are_refused_and_then_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "SELECTION_MILLISECONDS", 300)
    async with behind_a_proxy(tmp_path) as (store, proxy):
        await store.write([Put(a_draft())], atomic=True)
        monkeypatch.setattr("fhir_server.storage.mongo.writer.PATIENT_SECONDS", 0.5)
        proxy.closed = True
        proxy.cut()
        with pytest.raises(Unavailable):
            await store.read(EVERYTHING, Key("Patient", "ada"))
        with pytest.raises(Unavailable, match="Nothing was written"):
            await store.write([Put(a_draft(rest=b'"n":2'))], atomic=True)
        proxy.closed = False
        # The driver looks for its server every half second, for as long as it is let.
        monkeypatch.undo()
        await until_answered(store)

        (result,) = await store.write([Put(a_draft(rest=b'"n":3'))], atomic=True)

    assert isinstance(result, Written)
    assert result.stored.version == 2


async def test_a_server_that_is_slow_within_the_time_of_a_request_is_waited_for(
    tmp_path: Path,
) -> None:
    async with behind_a_proxy(tmp_path) as (store, proxy):
        await store.write([Put(a_draft())], atomic=True)
        proxy.seconds = 0.05

        assert await store.read(EVERYTHING, Key("Patient", "ada")) is not None


async def test_of_writes_that_are_cut_none_that_was_answered_is_lost_and_none_comes_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine as well, most are written in the end.
    monkeypatch.setattr("fhir_server.storage.mongo.writer.PATIENT_SECONDS", PATIENCE)
    kept: dict[str, Written] = {}
    refused: set[str] = set()

    async def write(store: Store, who: int) -> None:
        for number in range(25):
            name = f"w{who}-{number}"
            draft = a_draft(Key("Patient", name), terms=("all=1\x1f",))
            try:
                (result,) = await store.write([Put(draft, expected=0)], atomic=True)
            except FhirError:
                refused.add(name)
            else:
                # Refused would mean that an attempt of it was committed before: it came twice.
                assert isinstance(result, Written)
                kept[name] = result

    async with behind_a_proxy(tmp_path) as (store, proxy):
        proxy.cut_after = 23
        await asyncio.gather(*(write(store, who) for who in range(40)))
        proxy.cut_after = None
        history: list[str] = []
        after = None
        while True:
            page = await store.history(EVERYTHING, HistoryScope("Patient"), after, 500)
            history += [each.key.id for each in page.versions]
            after = page.next
            if after is None:
                break

    assert len(kept) + len(refused) == 1_000
    assert len(history) == len(set(history))
    assert kept.keys() <= set(history) <= kept.keys() | refused
    assert len(kept) > 500


async def test_what_may_be_sharded_is_unique_by_its_shard_key_alone(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "mongodb.md").read_text()
    keys = dict(re.findall(r'sh\.shardCollection\("\w+\.(\w+)", {(\w+): "hashed"}\)', guide))
    with mongo.database(tmp_path) as url:
        async with opened(url):
            pass
        with MongoClient[dict[str, Any]](url) as client:
            there = client.get_default_database()
            unique = {
                name: [each["key"] for each in there[name].list_indexes() if each.get("unique")]
                for name in keys
            }

    # A server enforces uniqueness in a cluster by the shard key alone; writes name documents by it too.
    assert keys == {"resource": "_id", "history": "_id"}
    assert unique == {"resource": [], "history": []}
