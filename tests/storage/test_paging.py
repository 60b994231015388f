"""Pages while others write: what matches throughout is on one page, once, in every order and for every caller."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from threading import Event, Thread

import pytest

from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.compartments import within
from fhir_server.search.expression import HasTerm, Plan, SortKey
from fhir_server.search.ordering import PRIMARY
from fhir_server.search.record import NO_DATE, SEPARATOR, IndexRecord, Range
from fhir_server.search.sortable import sortable
from fhir_server.storage.contract import Delete, Draft, Put, Store, WriteOp
from tests.search.support import DEFINITIONS
from tests.storage.conftest import BACKENDS
from tests.storage.test_oracle import found_by

LASTING = 24
PAGE = 4
MATCHING = HasTerm("status=final\x1f")
SEES_ALL = Visibility.everything("test")
OF_OBSERVATIONS = frozenset({"Observation"})
KEYS = {
    "date": PRIMARY,
    "value-date": "date",
    "value-quantity": "quantity",
    "value-string": "string",
    "code": "token",
    "subject": "reference",
    "url": "uri",
    "_id": "token",
    "_lastUpdated": "date",
}
PLANS = {
    "natural": Plan(OF_OBSERVATIONS, MATCHING),
    **{
        f"{'-' if descending else ''}{code}": Plan(
            OF_OBSERVATIONS, MATCHING, (SortKey(code, kind, descending=descending),)
        )
        for code, kind in KEYS.items()
        for descending in (False, True)
    },
    "two keys": Plan(
        OF_OBSERVATIONS,
        MATCHING,
        (SortKey("code", "token", descending=True), SortKey("date", PRIMARY, descending=False)),
    ),
    "of all types": Plan(None, MATCHING),
    "of two types": Plan(frozenset({"Observation", "Encounter"}), MATCHING),
    "of all types, the latest first": Plan(
        None, MATCHING, (SortKey("_lastUpdated", "date", descending=True),)
    ),
    "compartment": within(Plan(OF_OBSERVATIONS, MATCHING), Key("Patient", "1"), DEFINITIONS),
    "compartment of all types": within(Plan(None, MATCHING), Key("Patient", "1"), DEFINITIONS),
}


def record(logical_id: str, number: int, *, status: str = "final") -> IndexRecord:
    """Return a record with few distinct values for each order, so that pages end between equals."""
    terms = (
        f"status={status}\x1f",
        f"code={'abc'[number % 3]}\x1f",
        f"value-string^{'xyz'[number % 3]}",
        f"url@http://{number % 2}",
        "subject>Patient/1",
        "patient>Patient/1",
    )
    amount = sortable(Decimal(number % 4))
    ranges = [Range(f"value-quantity{SEPARATOR}mg", amount, amount)]
    if number % 5:
        ranges.append(Range("value-date", number % 4, number % 4 + 1))
    primary = NO_DATE if number % 7 == 0 else number % 3
    return IndexRecord(
        logical_id, tuple(sorted(terms)), tuple(sorted(ranges)), (), primary, ("1",), ("1",)
    )


def put(key: Key, number: int, *, text: int = 0, status: str = "final") -> Put:
    return Put(Draft(key, b"", b'"n":%d' % text, record(key.id, number, status=status)))


LASTING_KEYS = [
    Key("Observation" if number % 4 else "Encounter", f"m{number}") for number in range(LASTING)
]


def disturbance(random: Random, who: str, *, updating: bool) -> list[WriteOp]:
    """Return writes of other resources, and of those that last, the same but for their text."""
    ops: list[WriteOp] = []
    for _ in range(4):
        key = Key(random.choice(("Observation", "Encounter")), f"{who}{random.randrange(20)}")
        match random.randrange(4):
            case 0:
                ops.append(Delete(key))
            case 1 if updating:
                number = random.randrange(LASTING)
                ops.append(put(LASTING_KEYS[number], number, text=random.getrandbits(60)))
            case _:
                status = random.choice(("final", "draft"))
                text = random.getrandbits(60)
                ops.append(put(key, random.randrange(60), text=text, status=status))
    return ops


@asynccontextmanager
async def disturbed(
    backend: str, folder: Path, store: Store, seed: int, *, updating: bool
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Write from tasks of this store, and from a thread that has the same store opened for itself.

    Yield what waits until more is written.
    """
    over, written = Event(), asyncio.Event()

    async def more() -> None:
        written.clear()
        await written.wait()

    async def write(opened: Store, who: str) -> None:
        random = Random(f"{seed}{who}")
        while not over.is_set():
            await opened.write(disturbance(random, who, updating=updating), atomic=True)
            if opened is store:
                written.set()

    async def elsewhere() -> None:
        async with BACKENDS[backend](folder) as opened:
            await write(opened, "other")

    thread = Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            for who in ("one", "two"):
                tasks.create_task(write(store, who))
            try:
                yield more
            finally:
                over.set()
    finally:
        over.set()
        await asyncio.to_thread(thread.join)


async def found(
    store: Store, sight: Visibility, plan: Plan, more: Callable[[], Awaitable[None]]
) -> Counter[Key]:
    """Return how often each resource is on the pages of a search; after each page others write."""
    seen: Counter[Key] = Counter()
    after = None
    while True:
        page = await store.search(sight, plan, after, PAGE)
        seen.update(row.stored.key for row in page.rows)
        after = page.next
        if after is None:
            return seen
        await more()


@pytest.mark.parametrize(
    ("sight", "way"),
    [(SEES_ALL, "the index walked"), (SEES_ALL.of_patient("1"), "as it decides")],
    ids=["all, as of many", "a patient's, as of few"],
)
@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_lasts_is_on_one_page_once_whatever_is_written_meanwhile(
    backend: str,
    sight: Visibility,
    way: str,
    tmp_path: Path,
) -> None:
    with found_by(way):
        await check(backend, tmp_path, sight)


async def check(backend: str, folder: Path, sight: Visibility) -> None:
    async with BACKENDS[backend](folder) as store:
        lasting = [put(key, number) for number, key in enumerate(LASTING_KEYS)]
        await store.write(lasting, atomic=True)
        for seed, (name, plan) in enumerate(PLANS.items()):
            by_moment = any(each.parameter == "_lastUpdated" for each in plan.sort)
            async with disturbed(backend, folder, store, seed, updating=not by_moment) as more:
                seen = await found(store, sight, plan, more)
            expected = [
                each for each in LASTING_KEYS if plan.types is None or each.type in plan.types
            ]
            assert (name, [seen[each] for each in expected]) == (name, [1] * len(expected))


async def test_between_two_pages_others_have_written(tmp_path: Path) -> None:
    async with BACKENDS["sqlite"](tmp_path) as store:
        await store.write([put(key, 1) for key in LASTING_KEYS], atomic=True)
        moments = [await store.now()]
        async with disturbed("sqlite", tmp_path, store, 1, updating=True) as more:
            for _ in range(5):
                await more()
                moments.append(await store.now())

    assert sorted(set(moments)) == moments
