"""Searches for contained resources: a store finds what the oracle finds, in order, page by page, under every sight."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Contained,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    InHierarchy,
    IsPresent,
    Limit,
    Not,
    Plan,
    PointedToBy,
    PointsTo,
    Predicate,
    SortKey,
    Updated,
)
from fhir_server.search.matching import Candidate, Resolver, matches, sort_key
from fhir_server.search.ordering import PRIMARY, Order, SortValue, completed
from fhir_server.search.record import NO_DATE, IndexRecord, Range, prefix_end
from fhir_server.storage.contract import Store
from fhir_server.storage.mongo import contained as mongo_contained
from fhir_server.storage.sqlite import contained, leads
from tests.storage.conftest import BACKENDS
from tests.storage.test_joins import permits, written

HISTORIES = 1_000 if os.environ.get("FHIR_TEST_LONG") else 30
SEARCHES = 15

ALL = Visibility.everything("test")
IDS = ("1", "2", "3")
KINDS = ("Observation", "Patient")
LOCAL = ("1", "m", "n")
WORDS = ("code=a\x1f", "code=b\x1f", "code=a\x1fx", "name^smith", "name^jones")
WAYS = [
    Contained(alone=alone, as_container=whole) for alone in (True, False) for whole in (True, False)
]
World: TypeAlias = list[tuple[str, IndexRecord]]
Found: TypeAlias = tuple[str, int | None]
"""The key of a resource, and which of those that it contains is the match."""


@st.composite
def records(draw: st.DrawFn, own: str, locals_: Sequence[str] = ()) -> IndexRecord:
    terms = draw(st.sets(st.sampled_from(WORDS), max_size=2))
    if locals_ and (referred := draw(st.sampled_from((None, *locals_)))):
        terms |= {"patient<", f"patient<{referred}"}
    if draw(st.booleans()):
        terms.add(f"patient>Patient/{draw(st.sampled_from(IDS))}")
    primary = draw(st.sampled_from((NO_DATE, 0, 1, 2)))
    ranges = () if primary == NO_DATE else (Range("date", primary, primary + 1),)
    present = ("code",) if any(each.startswith("code") for each in terms) else ()
    return IndexRecord(own, tuple(sorted(terms)), ranges, present, primary, (), ())


@st.composite
def resources(draw: st.DrawFn) -> tuple[str, IndexRecord]:
    kind, record = draw(st.sampled_from(KINDS)), draw(records(draw(st.sampled_from(IDS))))
    locals_ = draw(st.lists(st.sampled_from(LOCAL), unique=True))
    within = tuple(
        (draw(st.sampled_from(KINDS)), draw(records(f"#{each}", locals_))) for each in locals_
    )
    refers = (
        {f"patient<{end}" for end in ("", *draw(st.sets(st.sampled_from(locals_))))}
        if locals_
        else set()
    )
    members = tuple(sorted(draw(st.sets(st.sampled_from(IDS), max_size=2))))
    return kind, structs.replace(
        record,
        terms=tuple(sorted({*record.terms, *refers})),
        contained=within,
        compartments=members,
        mentions=members,
    )


def _dates(*, primary: bool) -> st.SearchStrategy[Predicate]:
    limits = (
        (Limit("low", ">=", 1),),
        (Limit("high", "<", 2),),
        (Limit("low", ">=", 0), Limit("high", "<", 3)),
    )
    return st.sampled_from(limits).map(lambda each: HasRange("date", each, primary=primary))


LEAVES: list[st.SearchStrategy[Predicate]] = [
    st.builds(HasTerm, st.sampled_from(WORDS)),
    st.just(HasTermBetween("code=a", prefix_end("code=a"))),
    st.just(HasTermContaining("name^", "mit")),
    st.just(IsPresent("code")),
    st.builds(HasId, st.lists(st.sampled_from(LOCAL), max_size=2).map(tuple)),
    st.just(Updated((Limit("low", ">=", 0),))),
    _dates(primary=False),
    _dates(primary=True),
    st.builds(
        PointsTo,
        st.just("patient"),
        st.just("Patient"),
        st.one_of(
            st.builds(HasTerm, st.sampled_from(WORDS)),
            st.builds(
                InHierarchy,
                st.just("patient"),
                st.just("Patient"),
                st.sampled_from(IDS).map(lambda each: (each,)),
                st.sampled_from(("above", "below")),
            ),
        ),
    ),
]
BELOW = st.builds(
    InHierarchy,
    st.just("patient"),
    st.just("Patient"),
    st.sampled_from(IDS).map(lambda each: (each,)),
    st.just("below"),
)
"""Patients refer to patients here: some stand below others."""


BACK = [
    st.builds(PointedToBy, st.just(source), st.just("patient"), st.just("Patient"), predicate)
    for predicate in (st.one_of(LEAVES), st.builds(Not, st.one_of(LEAVES)), BELOW)
    for source in KINDS
    if source == "Patient" or predicate is not BELOW
]
"""Of patients it may be asked what refers to them: it may be asked the same again."""
TWICE = [
    st.builds(PointedToBy, st.just("Patient"), st.just("patient"), st.just("Patient"), each)
    for each in BACK
]


def predicates(kind: str) -> st.SearchStrategy[Predicate]:
    return st.recursive(
        st.one_of([*LEAVES, BELOW, *BACK, *TWICE] if kind == "Patient" else LEAVES),
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.builds(AllOf, st.lists(inner, max_size=2).map(tuple)),
            st.builds(AnyOf, st.lists(inner, max_size=2).map(tuple)),
        ),
        max_leaves=4,
    )


OF_BOTH = ((), (SortKey("_lastUpdated", "date", descending=True),))
OF_TYPE = (
    (SortKey("name", "string", descending=False),),
    (SortKey("code", "token", descending=True), SortKey("_id", "token", descending=False)),
    (SortKey("date", PRIMARY, descending=False),),
    (SortKey("date", PRIMARY, descending=True),),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    wanted = draw(st.sampled_from(WAYS))
    sorts = OF_BOTH if wanted.as_container else (*OF_BOTH, *OF_TYPE)
    kind = draw(st.sampled_from(KINDS))
    types, predicate = frozenset({kind}), draw(predicates(kind))
    return Plan(types, predicate, draw(st.sampled_from(sorts)), contained=wanted)


sights = st.sampled_from(
    (
        ALL,
        *(ALL.of_patient(each) for each in IDS),
        *(ALL.of_types(frozenset({each})) for each in KINDS),
        ALL.of_types(frozenset(KINDS)).of_patient("1"),
    )
)


def holds_inside(
    predicate: Predicate, number: int, container: tuple[Key, Candidate], resolve: Resolver
) -> bool:
    """Tell what is true of a contained resource: its container, and all that this contains, may refer to it."""
    key, each = container
    own = each.record.contained[number][1]
    match predicate:
        case Not(inner):
            return not holds_inside(inner, number, container, resolve)
        case AllOf(parts):
            return all(holds_inside(part, number, container, resolve) for part in parts)
        case AnyOf(parts):
            return any(holds_inside(part, number, container, resolve) for part in parts)
        case PointedToBy(source, parameter, _, inner):
            term = f"{parameter}<{own.id[1:]}"
            if key.type == source and term in each.record.terms:
                by_container = matches(inner, each.record, updated=each.updated, resolve=resolve)
            else:
                by_container = False
            return by_container or any(
                name == source
                and term in record.terms
                and holds_inside(inner, place, container, resolve)
                for place, (name, record) in enumerate(each.record.contained)
            )
        case _:
            whole = structs.replace(own, id=own.id[1:], contained=each.record.contained)
            return matches(predicate, whole, updated=each.updated, resolve=resolve)


def expected(there: dict[Key, Candidate], plan: Plan, sight: Visibility) -> list[Found]:
    """Return what the oracle finds: each contained resource as if it stood by itself, seen as its container is."""
    assert plan.types
    assert plan.contained
    (kind,) = plan.types
    seen = {key: each for key, each in there.items() if permits(sight, key.type, each.record)}
    keys = completed(plan.sort)

    def resolve(name: str, predicate: Predicate, /) -> bool:
        return any(
            matches(predicate, each.record, updated=each.updated, resolve=resolve)
            for key, each in seen.items()
            if key.type == name
        )

    def finds(record: IndexRecord, updated: int) -> bool:
        return matches(plan.predicate, record, updated=updated, resolve=resolve)

    def ways(key: Key, each: Candidate) -> Iterator[tuple[int | None, IndexRecord]]:
        assert plan.contained
        if key.type == kind and not plan.contained.alone and finds(each.record, each.updated):
            yield None, each.record
        for number, (name, inner) in enumerate(each.record.contained):
            own = structs.replace(inner, id=inner.id[1:], contained=each.record.contained)
            if name == kind and holds_inside(plan.predicate, number, (key, each), resolve):
                yield number, own

    found: list[tuple[Order, Found]] = []
    for key, each in seen.items() if sight.permits_type(kind) else ():
        matched = list(ways(key, each))
        if plan.contained.as_container:
            matched = [(None, each.record)] if matched else []
        for number, record in matched:
            listed = record if plan.sort else each.record
            values: list[SortValue] = [sort_key(listed, k, updated=each.updated) for k in keys]
            order = Order(keys, (*values, each.rid, 0 if number is None else -1 - number))
            found.append((order, (str(key), number)))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


async def pages(store: Store, plan: Plan, sight: Visibility, size: int) -> list[Found]:
    """Return what a store finds on its pages, and check that the count says as many."""
    found: list[Found] = []
    after = None
    while True:
        page = await store.search(sight, plan, after, size)
        assert len(page.rows) <= size
        found += [(str(row.stored.key), row.inside) for row in page.rows]
        after = page.next
        if after is None:
            break
    assert (await store.count(sight, plan)).number == len(found)
    return found


async def compare(backend: str, world: World, several: list[tuple[Plan, Visibility]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with BACKENDS[backend](Path(folder)) as store:
            there = await written(store, world)
            for plan, sight in several:
                answer = expected(there, plan, sight)
                for merged in (leads.MERGED, 0):
                    with pytest.MonkeyPatch.context() as patches:
                        patches.setattr(leads, "MERGED", merged)
                        assert await pages(store, plan, sight, 2) == answer


worlds = st.lists(resources(), max_size=8)
asked = st.lists(st.tuples(plans(), sights), min_size=SEARCHES, max_size=SEARCHES)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[*HealthCheck])
@given(world=worlds, several=asked)
def test_what_is_contained_is_found_as_by_the_oracle(
    backend: str, world: World, several: list[tuple[Plan, Visibility]]
) -> None:
    asyncio.run(compare(backend, world, several))


async def test_more_than_may_be_looked_at_are_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contained, "GATHERED", 2)
    monkeypatch.setattr(mongo_contained, "MOST_CONTAINERS", 2)
    inner = (("Patient", IndexRecord("#p", (), (), (), NO_DATE, (), ())),)
    container = IndexRecord("1", (), (), (), NO_DATE, (), (), inner)
    world = [("Observation", structs.replace(container, id=each)) for each in ("1", "3", "4")]
    await written(store, world)
    each = Contained(alone=True, as_container=False)
    plan = Plan(frozenset({"Patient"}), EVERYTHING, OF_TYPE[0], contained=each)

    with pytest.raises(TooCostly, match="More than 2"):
        await store.search(ALL, plan, None, 2)

    monkeypatch.setattr(mongo_contained, "MOST_CONTAINERS", 3)
    assert len(await pages(store, replace(plan, sort=()), ALL, 2)) == 3


@pytest.mark.parametrize("descending", [True, False])
async def test_a_page_may_end_between_a_resource_and_what_it_contains(
    store: Store, *, descending: bool
) -> None:
    def dated(own: str, *inner: tuple[str, IndexRecord]) -> IndexRecord:
        return IndexRecord(own, (), (Range("date", 1, 2),), (), 1, (), (), inner)

    inner = [("Patient", dated(f"#{each}")) for each in LOCAL]
    await written(store, [("Patient", dated("1", *inner)), ("Patient", dated("3", *inner))])
    plan = Plan(
        frozenset({"Patient"}),
        sort=(SortKey("date", PRIMARY, descending=descending),),
        contained=Contained(alone=False, as_container=False),
    )

    whole = await pages(store, plan, ALL, 20)

    assert len(whole) == 8
    assert [number for _, number in whole[:4]] == [None, 0, 1, 2]
    for size in (1, 2, 3):
        assert await pages(store, plan, ALL, size) == whole
