"""A search that was asked before is answered as if it never had been: whoever asks, whatever was written, at any moment."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest

from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import (
    AllOf,
    HasAnyTerm,
    HasTerm,
    HasTermBetween,
    HasWords,
    Plan,
    PointsTo,
    Predicate,
)
from fhir_server.search.phrases import Phrase
from fhir_server.search.planning import choose
from fhir_server.search.record import prefix_end, reference_term, token_term
from fhir_server.storage.contract import Delete, Draft, Put, Store, WriteOp
from fhir_server.storage.parameters import ReplaceCatalogue
from fhir_server.storage.sqlite import candidates
from fhir_server.storage.sqlite.pages import MOST_VALUES, REMEMBERED, PageStatement, PageStatements
from fhir_server.storage.sqlite.schema import connect
from tests.storage.conftest import START, open_sqlite
from tests.storage.test_denials import (
    CARE,
    NO_RESEARCH,
    NUMBERS,
    RESEARCH,
    a_consent,
    a_patient,
    an_observation,
    record,
)

OBSERVATIONS = frozenset({"Observation"})
OF_ADA = reference_term("patient", "Patient/ada")
ALL = Visibility.everything("test")
FINAL, BLUE = token_term("status", "", "final"), token_term("colour", "", "blue")
ASKED: dict[str, Predicate] = {
    "by a term": HasTerm(FINAL),
    "by two, of which one leads": AllOf((HasTerm(FINAL), HasTerm(BLUE))),
    "by any of two": HasAnyTerm((FINAL, BLUE)),
    "by the terms there are": HasTermBetween("name^sm", prefix_end("name^sm")),
    "by all": AllOf(()),
    "by words": HasWords("content", Phrase(("smith",))),
    "by a chain": PointsTo("patient", "Patient", HasTerm(token_term("identifier", "", "1"))),
}
SIGHTS = {
    "all": ALL,
    "one patient's": ALL.of_patient("ada"),
    "another's": ALL.of_patient("grace"),
    "no observations": ALL.of_types(frozenset({"Patient"})),
    "for research": ALL.of_audience(RESEARCH, at=START),
    "for care": ALL.of_audience(CARE, at=START),
    "one patient's for research": ALL.of_patient("ada").of_audience(RESEARCH, at=START),
}
SEEN = {
    "all": {"a", "g", "both"},
    "one patient's": {"a", "both"},
    "another's": {"g", "both"},
    "no observations": set[str](),
    "for research": {"g"},
    "for care": {"a", "g", "both"},
    "one patient's for research": set[str](),
}


async def found(store: Store, sight: Visibility, plan: Plan, size: int = 2) -> list[str]:
    """Return the ids on all pages, each of which is asked for twice."""
    ids: list[str] = []
    after = None
    while True:
        page = await store.search(sight, plan, after, size)
        assert await store.search(sight, plan, after, size) == page
        ids += [row.stored.key.id for row in page.rows]
        after = page.next
        if after is None:
            return ids


def matching(logical_id: str, name: str) -> Put:
    terms = (FINAL, BLUE, f"name^{name}")
    own = record(logical_id, "ada", terms=terms)
    return Put(Draft(Key("Observation", logical_id), b"", b'"text":"Smith"', own))


@pytest.mark.parametrize("types", [OBSERVATIONS, None], ids=["of a type", "of all"])
@pytest.mark.parametrize("way", ASKED)
async def test_what_was_written_meanwhile_is_found(
    store: Store, way: str, types: frozenset[str] | None
) -> None:
    plan = Plan(types, ASKED[way])
    ada = msgspec.structs.replace(
        a_patient("ada").draft, record=record("ada", "ada", terms=["identifier=1\x1f"])
    )
    await store.write([Put(ada), matching("first", "smith")], atomic=True)
    before = {*await found(store, ALL, plan)} - {"ada"}

    await store.write([matching("second", "smythe"), matching("third", "smut")], atomic=True)
    after = {*await found(store, ALL, plan)} - {"ada"}
    await store.write([Delete(Key("Observation", "first"))], atomic=True)

    assert before == {"first"}
    assert after == {"first", "second", "third"}
    assert {*await found(store, ALL, plan)} - {"ada"} == {"second", "third"}


@pytest.mark.parametrize(("first", "then"), [*permutations(SIGHTS, 2)])
async def test_each_sees_what_that_one_may_whoever_asked_before(
    store: Store, first: str, then: str
) -> None:
    observations = (
        an_observation("a", "ada"),
        an_observation("g", "grace"),
        an_observation("both", "ada", "grace"),
    )
    await store.write([*map(a_patient, ("ada", "grace")), *observations], atomic=True)
    await store.replace_opt_outs([NUMBERS["ada"]], as_of=START)

    for name in (first, then):
        for predicate in (AllOf(()), HasAnyTerm((OF_ADA,)), HasTerm(OF_ADA)):
            plan = Plan(OBSERVATIONS, predicate)
            expected = SEEN[name] - (set() if predicate == AllOf(()) else {"g"})
            assert {*await found(store, SIGHTS[name], plan, 1)} == expected


@pytest.mark.parametrize("first", [True, False], ids=["first with records", "first without"])
@pytest.mark.parametrize("way", ASKED)
async def test_rows_without_records_are_the_same_rows(
    store: Store, way: str, *, first: bool
) -> None:
    plan = Plan(OBSERVATIONS, ASKED[way])
    ada = msgspec.structs.replace(
        a_patient("ada").draft, record=record("ada", "ada", terms=["identifier=1\x1f"])
    )
    observations = [matching(each, "smith") for each in ("first", "second", "third")]
    await store.write([Put(ada), *observations], atomic=True)

    pages = {
        records: await store.search(ALL, plan, None, 2, records=records)
        for records in (first, not first)
    }

    assert all({FINAL, BLUE} <= {*row.record.terms} for row in pages[True].rows)
    assert [row.stored for row in pages[False].rows] == [row.stored for row in pages[True].rows]
    assert pages[False].next == pages[True].next is not None


async def test_a_denial_holds_from_its_first_moment_until_its_last(store: Store) -> None:
    denial = replace(NO_RESEARCH, since=START + 10, until=START + 20)
    plan = Plan(OBSERVATIONS, HasTerm(OF_ADA))
    several = [an_observation(f"a{number}", "ada") for number in range(3)]
    await store.write([a_patient("ada"), *several, a_consent("ada", denial)], atomic=True)
    moments = (START, START + 10, START + 9, START + 19, START + 20)

    seen = [
        len(await found(store, ALL.of_audience(RESEARCH, at=each), plan, 1)) for each in moments
    ]

    assert seen == [3, 0, 3, 0, 3]


async def test_an_opt_out_takes_effect_between_two_pages(store: Store) -> None:
    sight, plan = ALL.of_audience(RESEARCH, at=START), Plan(OBSERVATIONS)
    several = [an_observation(f"a{number}", "ada") for number in range(3)]
    await store.write([a_patient("ada"), *several, an_observation("g", "grace")], atomic=True)
    first = await store.search(sight, plan, None, 2)
    whole = await found(store, sight, plan)

    await store.replace_opt_outs([NUMBERS["ada"]], as_of=START)
    second = await store.search(sight, plan, first.next, 2)

    assert len(whole) == 4
    assert {row.stored.key.id for row in second.rows} <= {"g"}
    assert await found(store, sight, plan) == ["g"]


@pytest.mark.parametrize("way", ASKED)
async def test_a_page_tells_of_the_search_parameters_there_were_once_it_was_read(
    store: Store, way: str
) -> None:
    plan = Plan(OBSERVATIONS, ASKED[way])
    parameter = Put(Draft(Key("SearchParameter", "p"), b"", b"", record("p")))
    changes: list[WriteOp] = [
        matching("first", "smith"),
        parameter,
        ReplaceCatalogue(0, 0, b"one"),
        ReplaceCatalogue(1, 0, b"another"),
        Delete(Key("SearchParameter", "p")),
    ]
    known = set()

    for change in changes:
        await store.write([change], atomic=True)
        for _ in range(2):
            page = await store.search(ALL, plan, None, 10)
            stamp = await store.stamp()
            known.add(stamp)
            assert page.stamp in {None, stamp}

    assert len(known) == 5


@pytest.mark.parametrize("way", ["by a term", "by two, of which one leads"])
async def test_it_is_planned_once_and_anew_where_counts_had_a_part_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    planned = Mock(wraps=choose)
    monkeypatch.setattr(candidates, "choose", planned)
    plan = Plan(OBSERVATIONS, ASKED[way])
    async with open_sqlite(tmp_path) as store:
        await store.write([matching("first", "smith")], atomic=True)

        for _ in range(3):
            await store.search(ALL, plan, None, 10)
        at_first = planned.call_count
        await store.write([matching("second", "smith")], atomic=True)
        for _ in range(3):
            await store.search(ALL, plan, None, 10)

    assert at_first == 1
    assert planned.call_count == (1 if way == "by a term" else 2)


def test_only_so_many_statements_and_none_of_many_values_are_remembered(tmp_path: Path) -> None:
    known = PageStatements(connect(tmp_path / "store.db"))
    plan, short = (
        Plan(OBSERVATIONS),
        PageStatement("Observation", 20, "SELECT 1", ("a",), ("1", ()), ""),
    )
    long = PageStatement("Observation", 20, "SELECT 1", ("a",) * (MOST_VALUES + 1), ("1", ()), "")

    known.keep((plan, ALL, 0, True, True), short, None)
    assert known.get((plan, ALL, 0, True, True)) is short
    for number in range(1, REMEMBERED + 1):
        known.keep((plan, ALL, number, True, True), short, None)
    known.keep((plan, ALL, -1, True, True), long, None)

    assert known.get((plan, ALL, 0, True, True)) is None
    assert known.get((plan, ALL, -1, True, True)) is None
    assert known.get((plan, ALL, REMEMBERED, True, True)) is short
