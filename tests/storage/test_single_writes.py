"""Single writes on a standalone MongoDB: cut off, held up or told of too late at each statement, each is whole or not there."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect

from fhir_server.fhir.errors import NotSupported, Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.search.expression import HasTerm, Plan
from fhir_server.storage.contract import (
    Delete,
    Expect,
    Expectation,
    Put,
    Refused,
    Store,
    WriteOp,
    WriteResult,
    Written,
)
from fhir_server.storage.mongo import buffering, intents, opening
from fhir_server.storage.mongo.door import Door
from fhir_server.storage.mongo.upkeep import MongoUpkeep
from fhir_server.storage.pages import HistoryScope
from fhir_server.storage.upkeep import Finding
from tests.storage.conftest import ENFORCEMENT, START
from tests.storage.test_contract import EVERYTHING
from tests.storage.test_upkeep import PEOPLE, RESEARCH, a_put, extract
from tests.support import mongo
from tests.support.steps import every

ADA = Key("Patient", "ada")
CONSENT = Key("Consent", "c")
WRITING = ("insert_many", "replace_one", "update_one", "bulk_write", "delete_many")
"""What writes: the methods of the driver, each of which is one statement of a single write."""

MOST_STEPS = 20

_clock = itertools.count(START, 1_000)


class Killed(BaseException):
    """Ends a writer as the kernel would: nothing of ours catches it."""


def opened(url: str) -> AbstractAsyncContextManager[Store]:
    return opening.open_store(
        url, clock=lambda: next(_clock), enforcement=ENFORCEMENT, single_writes=True
    )


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Return the address of a new database of a standalone server."""
    with mongo.database(tmp_path, mongo.standalone()) as address:
        yield address


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is left behind finished soon: it is safe at any time, so that every test is a test of that too."""
    monkeypatch.setattr(intents, "HELP_AFTER", 0.02)


async def write(store: Store, *ops: WriteOp) -> WriteResult:
    """Write, and return what became of the first operation; it is told of in the log."""
    told = lambda results: msgspec.msgpack.encode(len(results))  # noqa: E731 - one line of data
    return (await store.write(ops, atomic=True, told=told))[0]


async def findings(url: str) -> list[str]:
    steps = MongoUpkeep(url, single_writes=True).scrub(
        extract, unsettled=(), enforcement=ENFORCEMENT
    )
    return [e.subject + e.problem for e in await every(steps) if isinstance(e, Finding)]


@dataclass(slots=True)
class Interrupted:
    """Does something else at the statement of this number; `reached` tells that it came so far."""

    number: int
    instead: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    counted: int = -1

    async def do(self, statement: Callable[[], Awaitable[Any]]) -> Any:
        """Do a statement, or something else."""
        self.counted += 1
        if self.counted != self.number:
            return await statement()
        self.reached.set()
        return await self.instead(statement)


@contextmanager
def interrupted(
    number: int, instead: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
) -> Iterator[Interrupted]:
    """Have the statement of a number that writes done otherwise, whoever sends it."""
    at = Interrupted(number, instead)
    with pytest.MonkeyPatch.context() as patch:
        for name in WRITING:
            patch.setattr(AsyncCollection, name, _counted(getattr(AsyncCollection, name), at))
        yield at


def _counted(method: Callable[..., Awaitable[Any]], at: Interrupted) -> Callable[..., Any]:
    @wraps(method)
    async def counted(*arguments: Any, **named: Any) -> Any:
        return await at.do(lambda: method(*arguments, **named))

    return counted


async def killed(_: Callable[[], Awaitable[Any]]) -> None:
    raise Killed


async def lost_before(_: Callable[[], Awaitable[Any]]) -> None:
    raise AutoReconnect("the connection was lost before it came")


async def lost_after(statement: Callable[[], Awaitable[Any]]) -> None:
    await statement()
    raise AutoReconnect("the answer was lost")


async def is_killed(url: str, op: WriteOp, number: int) -> bool:
    """Write in a process that is killed before a statement; tell whether it was, and not done by then."""
    with suppress(Killed):
        async with opened(url) as store:
            with interrupted(number, killed) as at:
                writing = asyncio.create_task(write(store, op))
                dying = asyncio.create_task(at.reached.wait())
                await asyncio.wait({writing, dying}, return_when=asyncio.FIRST_COMPLETED)
                dying.cancel()
                if at.reached.is_set():
                    # Nobody will answer any more.
                    writing.cancel()
                else:
                    await writing
            return at.reached.is_set()
    return True


async def test_a_writer_that_is_killed_before_any_statement_has_written_all_or_nothing(
    url: str,
) -> None:
    async with opened(url) as store:
        await write(store, a_put("Patient", "ada"))
        await seen(store)
    known, entries, steps = 0, 1, 0
    while await is_killed(url, a_put("Observation", "a", steps), steps):
        steps += 1
        async with opened(url) as other:
            history = await versions(other, Key("Observation", "a"))
            logged = (await other.audit_log.extent()).last

            # Either the version, its past one and what tells of it, or none of them.
            assert history == list(range(len(history), 0, -1))
            assert (len(history) - known, logged - entries) in {(0, 0), (1, 1)}
            known, entries = len(history), logged
        assert await findings(url) == []
        assert steps < MOST_STEPS

    assert steps >= 6
    assert known >= 3


async def versions(store: Store, key: Key) -> list[int]:
    page = await store.history(EVERYTHING, HistoryScope(key.type, key.id), None, 100)
    return [each.version for each in page.versions]


async def seen(store: Store) -> bool:
    """Tell whether research sees a record of the person."""
    return bool(await store.read_many(RESEARCH, [ADA, Key("Observation", "o")]))


DENY = a_put("Consent", "c")
PERMIT = Delete(CONSENT)


@pytest.mark.parametrize(("op", "opposite"), [(DENY, PERMIT), (PERMIT, DENY)], ids=["deny", "lift"])
async def test_a_denial_and_its_consent_come_and_go_together_wherever_the_writer_is_killed(
    url: str, op: WriteOp, opposite: WriteOp
) -> None:
    async with opened(url) as store:
        await write(store, a_put("Patient", "ada"))
        await write(store, a_put("Observation", "o", 1))
        assert await seen(store)
        await write(store, DENY)
        await write(store, opposite)
    steps, outcomes = 0, set()
    while await is_killed(url, op, steps):
        steps += 1
        async with opened(url) as other:
            current = await other.read(EVERYTHING, CONSENT)
            denied = current is not None and not current.deleted

            assert await seen(other) == (not denied)
            await write(other, opposite)
            assert await seen(other) == (opposite is PERMIT)
        outcomes.add(denied)
        assert steps < MOST_STEPS

    assert outcomes == {True, False}
    assert await findings(url) == []


@pytest.mark.parametrize("how", [lost_before, lost_after])
async def test_a_write_whose_connection_is_lost_at_any_statement_is_written_once(
    url: str, how: Any
) -> None:
    async with opened(url) as store:
        for number in range(MOST_STEPS):
            with interrupted(number, how) as at:
                result = await write(store, a_put("Observation", f"a{number}", number))
                again = await write(store, Delete(Key("Observation", f"a{number}")))
            assert isinstance(result, Written)
            assert result.stored.version == 1
            assert isinstance(again, Written)
            assert again.stored.version == 2
            if not at.reached.is_set():
                break
        logged = (await store.audit_log.extent()).last

    assert logged == 2 * (number + 1)
    assert number >= 6
    assert await findings(url) == []


@pytest.mark.parametrize("number", range(8))
async def test_what_a_writer_does_too_late_changes_nothing_that_others_wrote_since(
    url: str, number: int
) -> None:
    awake = asyncio.Event()

    async def held_up(statement: Callable[[], Awaitable[Any]]) -> Any:
        await awake.wait()
        return await statement()

    async with opened(url) as slow, opened(url) as quick:
        await write(quick, a_put("Patient", "ada"))
        await write(quick, a_put("Observation", "o", 1))
        await seen(quick)
        with interrupted(number, held_up) as at:
            late = asyncio.create_task(write(slow, a_put("Consent", "c")))
            await asyncio.wait(
                {late, asyncio.ensure_future(at.reached.wait())},
                return_when=asyncio.FIRST_COMPLETED,
            )
            # Others go on, though its turn was given up by nobody.
            await write(quick, a_put("Consent", "c", 9))
            await write(quick, Delete(CONSENT))
            await write(quick, a_put("Observation", "o", 2))
            awake.set()
            result = await late
        order = await versions(quick, CONSENT)
        current = await quick.read(EVERYTHING, CONSENT)

        assert isinstance(result, Written)
        assert order == [3, 2, 1]
        assert current is not None
        # It was first, and finished by others; or else it was last, and is what holds.
        assert current.deleted == (result.stored.version == 1)
        assert await seen(quick) == current.deleted
    assert await findings(url) == []


async def test_a_commit_that_arrives_after_it_was_given_up_does_not_hold(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrives right before that of the next attempt."""
    replace_one = AsyncCollection.replace_one
    arriving: list[Callable[[], Awaitable[Any]]] = []
    matched: list[int] = []

    async def delayed(collection: Any, *arguments: Any, **named: Any) -> Any:
        if not arriving:
            arriving.append(lambda: replace_one(collection, *arguments, **named))
            raise AutoReconnect("nobody knows")
        if not matched:
            matched.append((await arriving[0]()).matched_count)
        return await replace_one(collection, *arguments, **named)

    async with opened(url) as store:
        await write(store, a_put("Observation", "a", 1))
        monkeypatch.setattr(AsyncCollection, "replace_one", delayed)
        result = await write(store, a_put("Observation", "a", 2))
        history = await versions(store, Key("Observation", "a"))

    assert isinstance(result, Written)
    assert matched == [0]
    assert history == [2, 1]
    assert await findings(url) == []


async def test_what_is_read_and_what_is_denied_of_it_are_of_one_moment(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two, what was denied is replaced, and only then permitted."""
    look_up = Door._look_up
    others: list[WriteOp] = [a_put("Observation", "o", 2), PERMIT]

    async with opened(url) as one, opened(url) as other:
        await write(one, a_put("Patient", "ada"))
        await write(one, a_put("Observation", "o", 1))
        await write(one, DENY)
        assert not await seen(other)

        async def late(door: Door, owners: Iterable[int]) -> None:
            while others:
                await write(one, others.pop(0))
            await look_up(door, owners)

        monkeypatch.setattr(Door, "_look_up", late)
        rows = await other.read_many(RESEARCH, [Key("Observation", "o")])

    assert [each.stored.version for each in rows] == [2]


async def test_beside_steady_writing_a_reader_has_its_turn(url: str) -> None:
    stop = asyncio.Event()
    async with opened(url) as one, opened(url) as other:
        await write(one, a_put("Patient", "ada"))
        assert await seen(one)

        async def go_on() -> None:
            for number in itertools.count():
                await write(one, a_put("Observation", "o", number))
                if stop.is_set():
                    return

        writing = asyncio.create_task(go_on())
        for store in (one, other) * 3:
            assert await seen(store)
        stop.set()
        await writing


async def test_of_30_writers_that_expect_one_version_in_two_processes_one_writes(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        await write(one, a_put("Observation", "a"))

        async def update(number: int) -> WriteResult:
            op = Put(a_put("Observation", "a", number + 1).draft, expected=1)
            return await write((one, other)[number % 2], op)

        results = await asyncio.gather(*map(update, range(30)))

    assert sum(isinstance(each, Written) for each in results) == 1
    assert results.count(Refused(current=2)) == 29


async def test_a_precondition_on_what_the_same_write_makes_is_refused_and_nothing_is_written(
    url: str,
) -> None:
    plan = Plan(frozenset({"Observation"}), HasTerm("code=1\x1f"))
    expectation = Expectation(EVERYTHING, plan, frozenset())
    async with opened(url) as store:
        with pytest.raises(NotSupported, match="no transactions"):
            await write(store, a_put("Observation", "a", 1), Expect(expectation))

        assert await store.read(EVERYTHING, Key("Observation", "a")) is None


async def test_a_check_names_what_was_begun_and_reads_no_further(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intents, "GIVEN_UP_AFTER", 0.1)
    async with opened(url) as store:
        await write(store, a_put("Patient", "ada"))
    # After the state names the intent, and before anything of it is in its place.
    assert await is_killed(url, a_put("Patient", "ada", 1), 2)

    (found,) = await findings(url)
    assert "begun and is not finished" in found
    async with opened(url) as store:
        assert await versions(store, ADA) == [2, 1]
    assert await findings(url) == []


@asynccontextmanager
async def serving(storage: Path, *options: str) -> AsyncIterator[str]:
    process, address = mongo.started(*options, storage=str(storage))
    try:
        yield f"{address}/ward"
    finally:
        mongo.ended(process)


async def test_a_server_with_transactions_is_refused_with_what_to_leave_out(tmp_path: Path) -> None:
    with mongo.database(tmp_path) as url, pytest.raises(Unavailable, match="leave out"):
        async with opened(url):
            pytest.fail("it opened")


async def test_once_the_server_is_a_replica_set_the_same_database_is_written_by_transactions(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path / "db", "--standalone") as url:
        async with opened(url) as store:
            await write(store, a_put("Patient", "ada"))
            await write(store, a_put("Consent", "c"))
            assert not await seen(store)
            await write(store, Delete(CONSENT))
        assert await is_killed(url, a_put("Patient", "ada", 1), 2)
    async with serving(tmp_path / "db") as url:
        for upkeep in (MongoUpkeep(url), MongoUpkeep(url, single_writes=True)):
            with pytest.raises(Unavailable, match=r"start a node on it once|leave out"):
                await every(upkeep.scrub(extract, unsettled=(), enforcement=ENFORCEMENT))
        clock = lambda: next(_clock)  # noqa: E731 - one line of data
        async with opening.open_store(url, clock=clock, enforcement=ENFORCEMENT) as store:
            assert await versions(store, ADA) == [2, 1]
            assert await seen(store)
            await write(store, a_put("Patient", "ada", 2))
        steps = MongoUpkeep(url).scrub(extract, unsettled=(), enforcement=ENFORCEMENT)
        found = [each for each in await every(steps) if isinstance(each, Finding)]
        with MongoClient[dict[str, Any]](url) as client:
            there = client.get_default_database()
            left = sum(there[each].count_documents({"gone": True}) for each in buffering.DELETED)
            kept = there["intent"].count_documents({})

    assert found == []
    assert (left, kept) == (0, 0)


@pytest.mark.parametrize("name", ["giving", "taking", "reindex"])
async def test_what_needs_transactions_is_refused_with_the_way_to_have_them(name: str) -> None:
    upkeep = MongoUpkeep("mongodb://127.0.0.1:1/x", single_writes=True)
    asked: dict[str, Callable[[], Any]] = {
        "giving": upkeep.giving,
        "taking": upkeep.taking,
        "reindex": upkeep.reindex(extract, generation=0, people=PEOPLE, zone="UTC").__anext__,
    }
    with pytest.raises(Unavailable, match=r"--replSet rs0.*leave out --store-options"):
        await asked[name]()


async def test_a_store_that_was_emptied_is_new_and_its_nodes_write_no_more(url: str) -> None:
    async with opened(url) as store:
        await write(store, a_put("Patient", "ada"))
        number = await MongoUpkeep(url, single_writes=True).empty()
        with pytest.raises(Unavailable, match="start the node anew"):
            await write(store, a_put("Patient", "ada", 1))
    async with opened(url) as store:
        assert await versions(store, ADA) == []

    assert number == 1
