"""Random query strings on random resources: parsed, planned and searched, each store finds what the oracle finds."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.resource import Key, Resource
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import EVERYTHING, Plan, Predicate
from fhir_server.search.matching import Candidate, matches, ordered
from fhir_server.search.record import IndexRecord
from fhir_server.storage.contract import Store
from fhir_server.storage.sqlite import joining
from tests.search.support import record_of
from tests.storage.conftest import BACKENDS
from tests.storage.queries import (
    Asked,
    features,
    searches,
    searches_of_links,
    searches_of_one_parameter,
)
from tests.storage.resources import CONNECTED, IDS, resources
from tests.storage.test_joins import WAYS, permits, written

HISTORIES = 3_000 if os.environ.get("FHIR_TEST_LONG") else 80
SEARCHES = 25
"""How many searches each history of writes is asked."""

LINKED = {
    *("_has", "_list", "_list by function", "_type", "chain", "near", "several types"),
    *(":above", ":below"),
}
"""What must find something, so that more than nothing is compared."""

SEES_ALL = Visibility.everything("test")


@dataclass(frozen=True, slots=True)
class Case:
    """A search, who asks, in pages of which size, and how joins are answered."""

    asked: Asked
    sight: Visibility
    size: int
    way: str


sights = st.sampled_from(
    [
        SEES_ALL,
        SEES_ALL,
        *(SEES_ALL.of_patient(each) for each in IDS),
        SEES_ALL.of_types(frozenset({"Observation", "Patient"})),
    ]
)
cases = st.lists(
    st.builds(Case, searches(), sights, st.integers(1, 4), st.sampled_from(sorted(WAYS))),
    min_size=SEARCHES,
    max_size=SEARCHES,
)
worlds = st.lists(resources(), min_size=4, max_size=14).map(lambda found: [*CONNECTED, *found])
"""What is connected, and some of it overwritten."""
large_worlds = st.lists(resources(st.uuids().map(str)), min_size=60, max_size=80)


def is_varied(world: list[Resource]) -> bool:
    """Tell whether a world is none of the simplest, with which a search for examples begins."""
    return len({str({**each, "id": ""}) for each in world}) > 40


There: TypeAlias = dict[Key, Candidate]


def expected(there: There, plan: Plan, sight: Visibility) -> list[Key]:
    """Return what the oracle finds, in order, of all that may be seen."""
    seen = {key: each for key, each in there.items() if permits(sight, key.type, each.record)}

    def resolve(kind: str, predicate: Predicate, /) -> bool:
        return any(
            matches(predicate, each.record, updated=each.updated, resolve=resolve)
            for key, each in seen.items()
            if key.type == kind
        )

    found = {
        each.rid: (key, each)
        for key, each in seen.items()
        if (plan.types is None or key.type in plan.types)
        and matches(plan.predicate_of(key.type), each.record, updated=each.updated, resolve=resolve)
    }
    in_order = ordered((each for _, each in found.values()), replace(plan, predicate=EVERYTHING))
    return [found[each.rid][0] for each in in_order]


async def found(store: Store, plan: Plan, case: Case) -> list[Key]:
    """Return what a store finds, from all pages, and check the count against it."""
    keys: list[Key] = []
    after = None
    while True:
        page = await store.search(case.sight, plan, after, case.size)
        assert len(page.rows) <= case.size
        keys += [row.stored.key for row in page.rows]
        after = page.next
        if after is None:
            break
    assert (await store.count(case.sight, plan)).number == len(keys)
    return keys


def plan_of(asked: Asked) -> Plan | None:
    """Return what is asked for, None where it is refused."""
    try:
        return asked.plan()
    except BadRequest:
        return None


async def compare(backend: str, world: list[Resource], several: list[Case]) -> None:
    records: list[tuple[str, IndexRecord]] = [
        (each["resourceType"], record_of(each)) for each in world
    ]
    with tempfile.TemporaryDirectory() as folder:
        async with BACKENDS[backend](Path(folder)) as store:
            there = await written(store, records)
            for case in several:
                plan = plan_of(case.asked)
                if plan is None:
                    continue
                with ExitStack() as patches:
                    for name, number in WAYS[case.way].items():
                        patches.enter_context(patch.object(joining, name, number))
                    answer = await found(store, plan, case)
                assert (case, answer) == (case, expected(there, plan, case.sight))


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[*HealthCheck])
@given(world=worlds, several=cases)
def test_a_store_finds_what_the_oracle_finds_whatever_is_asked(
    backend: str, world: list[Resource], several: list[Case]
) -> None:
    asyncio.run(compare(backend, world, several))


@pytest.mark.parametrize("backend", BACKENDS)
@settings(
    max_examples=1,
    deadline=None,
    derandomize=True,
    # A smaller world would not be told in time, and the query is.
    phases=[Phase.generate],
    suppress_health_check=[*HealthCheck],
)
@given(world=large_worlds.filter(is_varied))
def test_each_value_of_each_parameter_finds_what_the_oracle_finds(
    backend: str, world: list[Resource]
) -> None:
    several = [Case(each, SEES_ALL, 50, "as it decides") for each in searches_of_one_parameter()]

    asyncio.run(compare(backend, world, several))


def test_most_random_searches_are_understood_and_many_find_something() -> None:
    counts: Counter[str] = Counter()

    @settings(
        max_examples=20, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck]
    )
    @given(world=worlds, several=cases)
    def look(world: list[Resource], several: list[Case]) -> None:
        records = [(each["resourceType"], record_of(each)) for each in world]
        there = {
            Key(kind, record.id): Candidate(record, number, number)
            for number, (kind, record) in enumerate(records)
        }
        for plan in filter(None, (plan_of(case.asked) for case in several)):
            counts["understood"] += 1
            counts["found"] += bool(expected(there, plan, SEES_ALL))

    look()

    assert counts["understood"] > 0.8 * 20 * SEARCHES
    assert counts["found"] > 0.15 * 20 * SEARCHES


def finding(world: list[Resource], several: list[Asked]) -> Counter[str]:
    """Count by feature the searches that find something in a world."""
    records = [(each["resourceType"], record_of(each)) for each in world]
    there = {
        Key(kind, record.id): Candidate(record, number, number)
        for number, (kind, record) in enumerate(records)
    }
    found_by: Counter[str] = Counter()
    for each in several:
        plan = plan_of(each)
        if plan is not None and expected(there, plan, SEES_ALL):
            found_by.update(features(each))
    return found_by


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_link_list_place_and_group_of_types_finds_what_the_oracle_finds(backend: str) -> None:
    # The emulated MongoDB takes a fifth of a second for each.
    asked = searches_of_links()[:: 1 if backend == "sqlite" else 8]
    several = [Case(each, SEES_ALL, 50, "as it decides") for each in asked]

    asyncio.run(compare(backend, CONNECTED, several))

    assert finding(CONNECTED, searches_of_links()).keys() >= LINKED
