"""Two processes at once on one store: who writes, who creates, who denies. Each test is a race of many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import cycle
from pathlib import Path

import pytest

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.search.expression import HasTerm, Plan
from fhir_server.storage.contract import (
    Expectation,
    OptOuts,
    Put,
    Refused,
    Store,
    WriteResult,
    Written,
)
from tests.storage.conftest import EVERY_WAY, START
from tests.storage.test_contract import EVERYTHING, a_draft
from tests.storage.test_denials import (
    NO_RESEARCH,
    RESEARCH,
    a_consent,
    a_patient,
    an_observation,
    found,
    sees,
    write,
)

Two = tuple[Store, Store]


@pytest.fixture(params=EVERY_WAY)
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Two]:
    """Return one store, opened by two that know nothing of each other."""
    opened = EVERY_WAY[request.param]
    async with opened(tmp_path) as one, opened(tmp_path) as other:
        yield one, other


async def test_of_30_updates_that_expect_one_version_one_is_written(two: Two) -> None:
    await write(two[0], Put(a_draft()))

    async def update(store: Store, number: int) -> WriteResult:
        put = Put(a_draft(rest=b'"n":%d' % number), expected=1)
        return (await store.write([put], atomic=True))[0]

    results = await asyncio.gather(*(update(*each) for each in zip(cycle(two), range(30))))

    assert sum(isinstance(each, Written) for each in results) == 1
    assert results.count(Refused(current=2)) == 29


async def test_of_64_creates_on_one_condition_one_is_written(two: Two) -> None:
    term = "identifier=9990000018\x1f"
    plan = Plan(frozenset({"Patient"}), HasTerm(term))
    expectation = Expectation(EVERYTHING, plan, frozenset())

    async def create(store: Store, number: int) -> WriteResult:
        put = Put(a_draft(Key("Patient", f"p{number}"), terms=(term,)), expectation=expectation)
        return (await store.write([put], atomic=True))[0]

    results = await asyncio.gather(*(create(*each) for each in zip(cycle(two), range(64))))

    (winner,) = (each for each in results if isinstance(each, Written))
    assert results.count(Refused(matches=(winner.stored.key,))) == 63


async def test_of_bundles_on_the_same_resources_each_is_written_whole_or_not_at_all(
    two: Two,
) -> None:
    keys = [Key("Patient", f"p{number}") for number in range(4)]
    await write(two[0], *(Put(a_draft(each)) for each in keys))

    async def transact(store: Store, number: int) -> bool:
        """Write all of them over what was read, in an order of one's own."""
        known = {each: await store.read(EVERYTHING, each) for each in keys}
        order = keys[number % 4 :] + keys[: number % 4]
        rest = b'"n":%d' % number
        puts = [Put(a_draft(e, rest=rest), expected=known[e].version) for e in order]  # type: ignore[union-attr]
        return all(isinstance(e, Written) for e in await store.write(puts, atomic=True))

    done = await asyncio.gather(*(transact(*each) for each in zip(cycle(two), range(24))))
    rows = await two[1].read_many(EVERYTHING, keys)

    assert sum(done) >= 1
    assert {each.stored.version for each in rows} == {1 + sum(done)}
    assert len({(each.stored.body or b"").rpartition(b'"n":')[2] for each in rows}) == 1


async def test_a_denial_holds_for_what_others_write_of_the_same_person_meanwhile(two: Two) -> None:
    one, other = two
    await write(one, a_patient("ada"), a_patient("grace"), an_observation("g", "grace"))
    await found(one, sees(RESEARCH))
    denied = asyncio.Event()
    shown: list[set[str]] = []

    async def treat(store: Store, who: str) -> None:
        """Write of the person, alone and with others: each is a new owner class."""
        for number in range(8):
            others = ("grace", f"x{who}{number}")[: 1 + number % 2]
            await write(store, an_observation(f"{who}{number}", "ada", *others))

    async def deny() -> None:
        await write(other, a_consent("ada", NO_RESEARCH))
        denied.set()

    async def look(store: Store) -> None:
        """Search on; what was begun after the commit is kept."""
        for _ in range(10):
            was_denied = denied.is_set()
            page = await store.search(sees(RESEARCH), Plan(None), None, 100)
            if was_denied:
                shown.append({str(row.stored.key) for row in page.rows})

    await asyncio.gather(treat(one, "a"), treat(other, "b"), deny(), look(one), look(other))
    shown += [await found(store, sees(RESEARCH)) for store in two]

    assert [each for each in shown if each != {"Patient/grace", "Observation/g"}] == []


async def test_the_next_page_obeys_what_another_process_laid_down(two: Two) -> None:
    one, other = two
    people = ["ada", "grace"]
    await write(one, *map(a_patient, people))
    await write(one, *(an_observation(f"o{n}", people[n % 2]) for n in range(12)))
    plan = Plan(frozenset({"Observation"}))
    first = await one.search(sees(RESEARCH), plan, None, 4)

    await write(other, a_consent("ada", NO_RESEARCH))
    rest = await one.search(sees(RESEARCH), plan, first.next, 20)

    assert len(first.rows) == 4
    assert {row.record.mentions for row in rest.rows} == {("grace",)}
    assert len(rest.rows) == 4


async def test_of_registers_that_are_loaded_at_once_one_is_in_force_and_whole(two: Two) -> None:
    registers = [["9990000018"], ["9990000026", "9990000034"]]
    everybody = [each for some in registers for each in some]
    for moment in range(START, START + 4):
        loading = (
            store.replace_opt_outs(numbers, as_of=moment)
            for store, numbers in zip(two, registers, strict=True)
        )
        results = await asyncio.gather(*loading, return_exceptions=True)
        in_force = await two[0].opt_outs()
        people = await two[1].people(everybody)

        assert all(isinstance(each, OptOuts | Unavailable) for each in results)
        assert in_force in results
        assert in_force is not None
        opted_out = [each for each in everybody if people[each].provisions]
        assert opted_out == registers[in_force.number - 1]
