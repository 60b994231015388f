"""What stands below and above others: found as the oracle finds it, in circles too, and in bounds."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import (
    AnyOf,
    HasTerm,
    InHierarchy,
    Not,
    Plan,
    PointsTo,
    Predicate,
)
from fhir_server.search.record import NO_DATE, IndexRecord
from fhir_server.storage.contract import Draft, Expect, Expectation, Put, Store
from fhir_server.storage.mongo import joining as mongo_joining
from fhir_server.storage.sqlite import applying, hierarchies
from tests.storage.conftest import BACKENDS
from tests.storage.test_joins import compare

EXAMPLES = 2_000 if os.environ.get("FHIR_TEST_LONG") else 150
EVERYTHING = Visibility.everything("test")
# "2" is deleted, "9" is never there.
IDS = ("1", "2", "3", "4", "5")


@st.composite
def resources(draw: st.DrawFn) -> tuple[str, IndexRecord]:
    kind, parameter = draw(
        st.sampled_from((("Organization", "partof"), ("Patient", "organization")))
    )
    wholes = draw(st.lists(st.sampled_from((*IDS, "9")), min_size=1, max_size=2, unique=True))
    terms = tuple(f"{parameter}>Organization/{each}" for each in sorted(wholes))
    members = draw(st.sampled_from((("1",), ("1",), ("1", "2"), ("2",), ())))
    return kind, IndexRecord(draw(st.sampled_from(IDS)), terms, (), (), NO_DATE, members, members)


in_hierarchy = st.builds(
    InHierarchy,
    st.just("partof"),
    st.just("Organization"),
    st.lists(st.sampled_from((*IDS, "9")), min_size=1, max_size=2, unique=True).map(tuple),
    st.sampled_from(("above", "below")),
)


def referring(inner: InHierarchy) -> Predicate:
    """Return what `organization:below=…` asks of a patient."""
    direct = HasTerm(f"organization>Organization/{inner.ids[0]}")
    return AnyOf((direct, PointsTo("organization", "Organization", inner)))


def plans_of(kind: str, asked: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Plan]:
    either = st.one_of(asked, asked, st.builds(Not, asked))
    return st.builds(Plan, st.just(frozenset({kind})), either)


plans = st.one_of(
    plans_of("Organization", in_hierarchy),
    plans_of("Patient", in_hierarchy.map(referring)),
)
sights = st.sampled_from(
    (
        EVERYTHING,
        EVERYTHING.of_patient("1"),
        EVERYTHING.of_patient("2"),
        EVERYTHING.of_types(frozenset({"Patient"})),
    )
)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=st.lists(resources(), min_size=4, max_size=14), plan=plans, sight=sights)
def test_what_stands_in_a_hierarchy_is_what_the_oracle_finds(
    backend: str, world: list[tuple[str, IndexRecord]], plan: Plan, sight: Visibility
) -> None:
    asyncio.run(compare(backend, world, [(plan, sight)]))


async def fill(store: Store, number: int) -> None:
    """Write places, each part of the one before."""
    await store.write(
        [
            Put(Draft(Key("Location", f"p{each}"), b"", b'"n":1', _place(each)))
            for each in range(number)
        ],
        atomic=True,
    )


def _place(number: int) -> IndexRecord:
    terms = (f"partof>Location/p{number - 1}",) if number else ()
    return IndexRecord(f"p{number}", terms, (), (), NO_DATE, (), ())


BELOW = Plan(frozenset({"Location"}), InHierarchy("partof", "Location", ("p0",), "below"))


async def test_a_hierarchy_of_too_many_places_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound(monkeypatch, "MOST_REACHED", 4)
    await fill(store, 5)

    assert (await store.count(EVERYTHING, BELOW)).number == 4

    await fill(store, 6)
    with pytest.raises(TooCostly, match="Below Location/p0 by partof there are more than the 4"):
        await store.count(EVERYTHING, BELOW)


def bound(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    """Set a bound of each backend."""
    for module in (hierarchies, mongo_joining):
        monkeypatch.setattr(module, name, most)


@pytest.mark.parametrize("side", ["below", "above"])
async def test_a_hierarchy_of_too_many_levels_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    bound(monkeypatch, "MOST_LEVELS", 4)
    await fill(store, 6)
    start = {"below": "p0", "above": "p5"}[side]
    asked = InHierarchy("partof", "Location", (start,), "below" if side == "below" else "above")

    with pytest.raises(TooCostly, match="more than 4 levels"):
        await store.count(EVERYTHING, Plan(frozenset({"Location"}), asked))


async def test_a_precondition_may_look_at_fewer_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "JOINED_WHILE_WRITING", 3)
    async with BACKENDS["sqlite"](tmp_path) as store:
        await fill(store, 5)

        with pytest.raises(TooCostly, match="more than the 3"):
            await store.write([Expect(Expectation(EVERYTHING, BELOW, frozenset()))], atomic=True)


@pytest.mark.parametrize(("levels", "number"), [(15, 60), (90, 2_000)])
async def test_all_of_a_long_hierarchy_is_found_page_by_page(
    store: Store, levels: int, number: int
) -> None:
    await fill(store, levels)
    last = f"partof>Location/p{levels - 1}"
    wards = [
        Put(Draft(Key("Location", f"w{each}"), b"", b'"n":1', _ward(each, last)))
        for each in range(number)
    ]
    await store.write(wards, atomic=True)
    found: list[str] = []
    after = None
    while True:
        page = await store.search(EVERYTHING, BELOW, after, number // 4)
        found += [row.stored.key.id for row in page.rows]
        after = page.next
        if after is None:
            break

    assert sorted(found) == sorted(
        [*(f"p{each}" for each in range(1, levels)), *(f"w{each}" for each in range(number))]
    )


def _ward(number: int, part_of: str) -> IndexRecord:
    return IndexRecord(f"w{number}", (part_of,), (), (), NO_DATE, (), ())
