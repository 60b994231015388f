"""Joins between types: each way of answering them gives what the oracle gives, under every sight."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasId,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    InHierarchy,
    Not,
    Plan,
    PointedToBy,
    PointsTo,
    Predicate,
    SortKey,
)
from fhir_server.search.matching import Candidate, matches, ordered
from fhir_server.search.record import NO_DATE, IndexRecord, prefix_end
from fhir_server.storage.contract import (
    Delete,
    Draft,
    Expect,
    Expectation,
    Put,
    Store,
    Unchanged,
    WriteOp,
    Written,
)
from fhir_server.storage.sqlite import applying, joining
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher
from tests.storage.conftest import BACKENDS

HISTORIES = 3_000 if os.environ.get("FHIR_TEST_LONG") else 60
SEARCHES = 25
"""How many searches each history of writes is asked."""

EVERYTHING = Visibility.everything("test")
IDS = ("1", "2", "3")
REFERENCES = {
    "Observation": (("patient", "Patient"), ("performer", "Organization"), ("of", "Observation")),
    "Patient": (("organization", "Organization"), ("link", "Patient")),
    "Organization": (("partof", "Organization"),),
    "Measure": (),
}
REFERRING = {
    target: [
        (source, parameter)
        for source, links in REFERENCES.items()
        for parameter, pointed in links
        if pointed == target
    ]
    for target in REFERENCES
}
WORDS = ("code=a\x1f", "code=b\x1f", "code=a\x1fx", "name^smith", "name^jones")
INSIDE: tuple[tuple[str, ...], ...] = (
    (),
    (),
    ("Patient",),
    ("Organization",),
    tuple(each for each in REFERENCES if REFERENCES[each]),
)
WAYS: dict[str, dict[str, int]] = {
    "as it decides": {},
    "the other type first": {"SHORT": 0},
    "the other type first, gathered": {"SHORT": 0, "MERGED": 0},
    "each candidate in turn": {"WRITTEN_OUT": 0, "WRITTEN_OUT_FOR_ALL": 0},
    "either": {"WRITTEN_OUT": 1, "WRITTEN_OUT_FOR_ALL": 1, "SHORT": 1, "REMEMBERED": 1},
}

CANONICAL = {"Observation": ("instantiates", "Measure"), "Measure": ("depends-on", "Measure")}
"""References by URL, each with the type that is found by it."""
BY_URL = st.just(True)  # noqa: FBT003 - hypothesis builds by position
URLS = ("http://a", "http://b")
VERSIONS = ("1", "2")

World: TypeAlias = list[tuple[str, IndexRecord]]


@st.composite
def canonicals(draw: st.DrawFn, kind: str) -> set[str]:
    """Return terms as the extractor makes them: of a reference with a version also that without."""
    found: set[str] = set()
    if kind in CANONICAL:
        parameter, _ = CANONICAL[kind]
        for url in draw(st.sets(st.sampled_from(URLS), max_size=2)):
            found.add(f"{parameter}>{url}")
            found |= {f"{parameter}>{url}|{v}" for v in draw(st.sets(st.sampled_from(VERSIONS)))}
    if kind == "Measure":
        found |= {f"url@{each}" for each in draw(st.sets(st.sampled_from(URLS), max_size=1))}
        found |= {f"version={e}\x1f" for e in draw(st.sets(st.sampled_from(VERSIONS), max_size=1))}
    return found


@st.composite
def resources(draw: st.DrawFn) -> tuple[str, IndexRecord]:
    kind = draw(st.sampled_from(sorted(REFERENCES)))
    own = draw(st.sampled_from(IDS))
    # "9" is never there.
    references = [
        f"{parameter}>{target}/{each}"
        for parameter, target in REFERENCES[kind]
        for each in draw(st.sets(st.sampled_from((*IDS, "9")), max_size=2))
    ]
    words = draw(st.sets(st.sampled_from(WORDS), max_size=2)) | draw(canonicals(kind))
    members = tuple(sorted(draw(st.sets(st.sampled_from(IDS), max_size=2))))
    primary = draw(st.sampled_from((NO_DATE, 0, 1)))
    inside = draw(st.sampled_from(INSIDE))
    terms = {*references, *words, *draw(local_references(kind, inside))}
    contained = [(each, draw(contained_in(each, inside))) for each in inside]
    return kind, IndexRecord(
        own, tuple(sorted(terms)), (), (), primary, members, members, tuple(contained)
    )


@st.composite
def local_references(draw: st.DrawFn, kind: str, inside: Iterable[str]) -> set[str]:
    """Return terms of references to contained resources, each called as its type."""
    links = [(parameter, target) for parameter, target in REFERENCES[kind] if target in inside]
    drawn = draw(st.sets(st.sampled_from(links))) if links else set()
    return {f"{code}<{end}" for code, target in drawn for end in ("", target)}


@st.composite
def contained_in(draw: st.DrawFn, kind: str, inside: Iterable[str]) -> IndexRecord:
    words = draw(st.sets(st.sampled_from(WORDS), max_size=2))
    reference, target = REFERENCES[kind][0]
    outside = {f"{reference}>{target}/{draw(st.sampled_from(IDS))}"}
    terms = {*words, *outside, *draw(local_references(kind, inside))}
    return IndexRecord(f"#{kind}", tuple(sorted(terms)), (), (), NO_DATE, (), ())


def asked_of(kind: str, hops: int) -> st.SearchStrategy[Predicate]:
    """Return predicates on one type that lead to others, so many hops away at most."""
    plain: list[st.SearchStrategy[Predicate]] = [
        st.builds(HasTerm, st.sampled_from(WORDS)),
        st.just(HasTermBetween("code=a", prefix_end("code=a"))),
        st.just(HasTermContaining("name^", "mit")),
        st.builds(HasId, st.lists(st.sampled_from(IDS), max_size=2).map(tuple)),
    ]
    if hops:
        plain += [
            st.builds(PointsTo, st.just(code), st.just(target), asked_of(target, hops - 1))
            for code, target in REFERENCES[kind]
        ]
        plain += [
            st.builds(
                InHierarchy,
                st.just(code),
                st.just(kind),
                st.lists(st.sampled_from((*IDS, "9")), min_size=1, max_size=2).map(tuple),
                st.sampled_from(("above", "below")),
            )
            for code, target in REFERENCES[kind]
            if target == kind
        ]
        plain += [
            st.builds(
                PointedToBy,
                st.just(source),
                st.just(code),
                st.just(kind),
                asked_of(source, hops - 1),
            )
            for source, code in REFERRING[kind]
        ]
    if hops and kind in CANONICAL:
        code, target = CANONICAL[kind]
        plain.append(
            st.builds(PointsTo, st.just(code), st.just(target), asked_of(target, hops - 1), BY_URL)
        )
    if hops:
        plain += [
            st.builds(
                PointedToBy,
                st.just(source),
                st.just(code),
                st.just(kind),
                asked_of(source, hops - 1),
                BY_URL,
            )
            for source, (code, target) in CANONICAL.items()
            if target == kind
        ]
    return st.recursive(
        st.one_of(plain),
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.builds(AllOf, st.lists(inner, max_size=2).map(tuple)),
            st.builds(AnyOf, st.lists(inner, max_size=2).map(tuple)),
        ),
        max_leaves=3,
    )


def plan_of(kind: str) -> st.SearchStrategy[Plan]:
    sort = st.sampled_from(((), (SortKey("_lastUpdated", "date", descending=True),)))
    return st.builds(Plan, st.just(frozenset({kind})), asked_of(kind, 2), sort)


plans = st.one_of([plan_of(kind) for kind in REFERENCES])
sights = st.sampled_from(
    [
        EVERYTHING,
        *(EVERYTHING.of_patient(each) for each in IDS),
        EVERYTHING.of_types(frozenset({"Observation", "Patient"})),
        EVERYTHING.of_types(frozenset({"Observation", "Organization"})).of_patient("1"),
        *(replace(EVERYTHING.of_patient("1"), unbound=frozenset({each})) for each in REFERENCES),
    ]
)


def permits(sight: Visibility, kind: str, record: IndexRecord) -> bool:
    patient = sight.patient_of(kind)
    return sight.permits_type(kind) and (patient is None or patient in record.compartments)


async def written(store: Store, world: World) -> dict[Key, Candidate]:
    """Write the resources, those of one id as versions, delete some; return what is there."""
    gone = [Key(kind, "2") for kind in REFERENCES]
    puts: list[WriteOp] = [
        Put(Draft(Key(kind, each.id), b"", b'"n":%d' % number, each))
        for number, (kind, each) in enumerate(world)
    ]
    answers = await store.write([*puts, *map(Delete, gone)], atomic=False)
    current: dict[Key, Candidate] = {}
    for (kind, record), answer in zip(world, answers, strict=False):
        assert isinstance(answer, Written)
        key = Key(kind, record.id)
        rid = current[key].rid if key in current else len(current)
        current[key] = Candidate(record, answer.stored.moment, rid)
    return {key: each for key, each in current.items() if key not in gone}


def expected(there: dict[Key, Candidate], plan: Plan, sight: Visibility) -> list[str]:
    """Return the ids that the oracle finds, in order, of all that may be seen."""
    seen = {key: each for key, each in there.items() if permits(sight, key.type, each.record)}

    def resolve(kind: str, predicate: Predicate, /) -> bool:
        return any(
            matches(predicate, each.record, updated=each.updated, resolve=resolve)
            for key, each in seen.items()
            if key.type == kind
        )

    assert plan.types
    (kind,) = plan.types
    own = [each for key, each in seen.items() if key.type == kind]
    return [each.record.id for each in ordered(own, plan, resolve)]


async def found(store: Store, plan: Plan, sight: Visibility) -> list[str]:
    """Return the ids that a store finds, from pages of two, and check the count against them."""
    ids: list[str] = []
    after = None
    while True:
        page = await store.search(sight, plan, after, 2)
        ids += [row.stored.key.id for row in page.rows]
        after = page.next
        if after is None:
            break
    assert (await store.count(sight, plan)).number == len(ids)
    return ids


worlds = st.lists(resources(), max_size=12)
asked = st.lists(st.tuples(plans, sights), min_size=SEARCHES, max_size=SEARCHES)


async def compare(backend: str, world: World, several: list[tuple[Plan, Visibility]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with BACKENDS[backend](Path(folder)) as store:
            there = await written(store, world)
            for plan, sight in several:
                answer = expected(there, plan, sight)
                for way, numbers in WAYS.items():
                    with ExitStack() as patches:
                        for name, number in numbers.items():
                            patches.enter_context(patch.object(joining, name, number))
                        assert await found(store, plan, sight) == answer, way


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[*HealthCheck])
@given(world=worlds, several=asked)
def test_every_way_to_answer_a_join_finds_what_the_oracle_finds(
    backend: str, world: World, several: list[tuple[Plan, Visibility]]
) -> None:
    asyncio.run(compare(backend, world, several))


EVERYTHING_OF_IT = AllOf(())
SMITHS = PointsTo("patient", "Patient", HasTerm("name^smith"))


async def fill(store: Store, number: int) -> None:
    """Write patients called Smith, each with one observation."""
    ops: list[WriteOp] = []
    for each in map(str, range(number)):
        patient = IndexRecord(each, ("name^smith",), (), (), NO_DATE, (each,), (each,))
        terms = (f"patient>Patient/{each}",)
        of_it = IndexRecord(each, terms, (), (), NO_DATE, (each,), (each,))
        ops.append(Put(Draft(Key("Patient", each), b"", b'"n":1', patient)))
        ops.append(Put(Draft(Key("Observation", each), b"", b'"n":1', of_it)))
    await store.write(ops, atomic=True)


async def test_a_join_that_would_look_at_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "WRITTEN_OUT_FOR_ALL", 1)
    async with BACKENDS["sqlite"](tmp_path) as store:
        await fill(store, 6)
    connection = connect(tmp_path / "store.db", read_only=True)
    plan = Plan(frozenset({"Observation"}), SMITHS)

    with pytest.raises(TooCostly, match="more than 5 resources"):
        Searcher(connection, most_joined=5).count(EVERYTHING, plan)

    assert Searcher(connection, most_joined=6).count(EVERYTHING, plan).number == 6
    connection.close()


async def test_a_precondition_may_join_less_and_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "WRITTEN_OUT", 1)
    monkeypatch.setattr(applying, "JOINED_WHILE_WRITING", 1)
    unmatched = Plan(frozenset({"Observation"}), Not(SMITHS))
    async with BACKENDS["sqlite"](tmp_path) as store:
        await fill(store, 6)

        with pytest.raises(TooCostly, match="more than 1 resources"):
            await store.write(
                [Expect(Expectation(EVERYTHING, unmatched, frozenset()))], atomic=True
            )

        assert await store.write([Delete(Key("Patient", "x"))], atomic=True) == [Unchanged(None)]


@pytest.mark.parametrize("number", [60, 1_500])
async def test_many_referrers_to_very_many_are_found(store: Store, number: int) -> None:
    await fill(store, number)
    terms = tuple(sorted(f"subject>Patient/{each}" for each in range(number)))
    record = IndexRecord("all", terms, (), (), NO_DATE, (), ())
    await store.write([Put(Draft(Key("List", "all"), b"", b'"n":1', record))], atomic=True)
    listed = PointedToBy("List", "subject", "Patient", HasId(("all",)))
    both = AllOf((listed, PointedToBy("Observation", "patient", "Patient", EVERYTHING_OF_IT)))

    assert (await store.count(EVERYTHING, Plan(frozenset({"Patient"}), listed))).number == number
    assert (await store.count(EVERYTHING, Plan(frozenset({"Patient"}), both))).number == number


async def test_a_join_in_the_order_of_moments_is_not_checked_term_by_term(tmp_path: Path) -> None:
    order = (SortKey("_lastUpdated", "date", descending=True),)
    plan = Plan(frozenset({"Observation"}), SMITHS, order)
    async with BACKENDS["sqlite"](tmp_path) as store:
        await fill(store, 1_200)

        page = await store.search(EVERYTHING, plan, None, 3)

    assert [row.stored.key.id for row in page.rows] == ["1199", "1198", "1197"]


@pytest.mark.parametrize("number", [0, 1, 5, 1_000, 1_001])
async def test_few_and_many_joined_resources_give_the_same_answer(
    store: Store, number: int
) -> None:
    await fill(store, number)

    count = await store.count(EVERYTHING, Plan(frozenset({"Observation"}), SMITHS))
    hers = await store.count(EVERYTHING.of_patient("4"), Plan(frozenset({"Observation"}), SMITHS))

    assert count.number == number
    assert hers.number == (number > 4)
