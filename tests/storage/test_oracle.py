"""Each store answers as the oracle does: random records, predicates, orders, sights and page sizes."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    HasWords,
    IsNear,
    IsPresent,
    Limit,
    Not,
    Plan,
    Predicate,
    SortKey,
    Updated,
)
from fhir_server.search.matching import Candidate, matches, ordered
from fhir_server.search.ordering import PRIMARY
from fhir_server.search.phrases import Every, Phrase, Some, Words
from fhir_server.search.planning import DAY, SECOND, leading_terms
from fhir_server.search.record import NO_DATE, IndexRecord, Range, prefix_end
from fhir_server.search.sortable import HIGHEST, LOWEST, sortable
from fhir_server.search.words import has_words, texts_of
from fhir_server.storage.contract import Delete, Draft, Put, Store, WriteOp, Written
from fhir_server.storage.sqlite import words
from tests.storage.conftest import BACKENDS, START

HISTORIES = 3_000 if os.environ.get("FHIR_TEST_LONG") else 80
SEARCHES = 25
"""How many searches each history of writes is asked."""

PATIENTS = ("1", "2", "3")
TERMS = (
    *(f"code={code}\x1f{system}" for code in "abc" for system in ("", "x", "y")),
    *(f"family^{name}" for name in ("smith", "smithe", "smyth", "jones")),
    *(f"family!{name}" for name in ("Smith", "SMITH")),
    *(f'code"{text}' for text in ("high pressure", "low pressure")),
    *(f"patient>Patient/{patient}" for patient in PATIENTS),
    "near!54.0|-1.9",
    "near!54.002|-1.9",
    "near!-89.9|180.0",
    *(f"url@urn:{name}" for name in ("a", "a:b", "b")),
    # Its text is less than that of `a` with a system, and a beginning of it.
    "code=a\ta\x1f",
    "code~x",
    "identifier~x",
    "identifier=a\x1fx",
)
VOCABULARY = ("bone", "liver", "lung", "narrative", "observation", "¶")
"""Words of texts; the last is none, and the names of the index's columns and types are nothing special."""

NUMBERS = tuple(map(sortable, map(Decimal, ("-3", "0", "0.002", "2", "2000"))))
ENDS = (LOWEST, *NUMBERS, HIGHEST)
MOMENTS = tuple(day * DAY for day in (0, 1, 2, 40, 400, 1_000))
LENGTHS = (0, SECOND - 1, DAY - 1, 30 * DAY, 365 * DAY, 2**50)
WAYS: dict[str, dict[str, int]] = {
    "as it decides": {},
    "the index walked": {
        "sorting.FEW": 0,
        "sorting.CHUNK": 1,
        "sorting.MOST_IN_CHUNK": 2,
        "walking.LARGE": 0,
        "ranging.LARGE": 0,
    },
    "the index walked, equals sorted": {"sorting.FEW": 0},
    "crowds met in page order": {
        "sorting.FEW": 0,
        "walking.LARGE": 0,
        "ranging.LARGE": 0,
        "ranging.CROWD": 0,
    },
    "pairs are crowds": {
        "sorting.FEW": 0,
        "walking.LARGE": 0,
        "ranging.LARGE": 0,
        "ranging.CROWD": 1,
    },
    "the index walked until it is too far": {
        "sorting.FEW": 1,
        "walking.LARGE": 1,
        "ranging.LARGE": 1,
    },
    "lists gathered": {
        "leads.MERGED": 0,
        "filtering.CHUNK": 1,
        "filtering.MOST_IN_CHUNK": 2,
    },
    "what is gathered read in stretches": {
        "candidates.MANY": 0,
        "filtering.ONE_IN": 1,
        "windows.SAMPLED": 1,
        "windows.GROWTH": 2,
        "planning.SHORT": 1,
        "planning.PROBE": 1,
    },
    "many lists merged": {"leads.MERGED": 0, "leads.PROBE": 0},
    "lists in stretches": {
        "candidates.LONG": 0,
        "beginnings.LOOKED_AT": 1,
        "planning.SHORT": 1,
        "planning.PROBE": 1,
    },
    "one is many": {"planning.SHORT": 1, "planning.PROBE": 1},
    "three are many": {"planning.SHORT": 3, "planning.PROBE": 3},
}
"""How a page may be found, by the thresholds that lead to it: they decide what leads, and nothing else."""

dates = st.builds(
    lambda low, length: Range("date", low, low + length),
    st.sampled_from(MOMENTS),
    st.sampled_from(LENGTHS),
)
others = dates.map(lambda each: Range("issued", each.low, each.high))
tags = st.sampled_from(((), ("|mg",), ("|g",), ("0$x", "|mg")))
numbers = st.builds(
    lambda ends, tags: Range("value", min(ends), max(ends), tags),
    st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)),
    tags,
)
units = st.sampled_from(("", "mg", "g", "mL", "m.s", "m"))
quantities = st.builds(
    lambda axis, unit, ends, tags: Range(axis + unit, min(ends), max(ends), tags),
    st.sampled_from(("amount\x1f", "pair:a\x1fx\x1f", "pair:a\x1fy\x1f", "pair:b\x1fx\x1f")),
    units,
    st.tuples(st.sampled_from(ENDS), st.sampled_from(ENDS)),
    st.sampled_from(((), ("|mg",))),
)
doses = numbers.map(lambda each: Range("dose", each.low, each.high, each.tags))
patients = st.sets(st.sampled_from(PATIENTS), max_size=2).map(sorted).map(tuple)


@st.composite
def records(draw: st.DrawFn, logical_id: str) -> IndexRecord:
    primary = draw(st.sampled_from((NO_DATE, *MOMENTS)))
    found = draw(st.sets(st.one_of(dates, others, numbers, doses, quantities), max_size=4))
    if primary != NO_DATE:
        # What the extractor promises of the primary date: one range, which begins there.
        found.add(Range("when", primary, primary + draw(st.sampled_from(LENGTHS))))
    ranges = tuple(sorted(found, key=str))
    members = draw(patients)
    return IndexRecord(
        id=logical_id,
        terms=tuple(sorted(draw(st.sets(st.sampled_from(TERMS), max_size=5)))),
        ranges=ranges,
        present=tuple(sorted({each.axis for each in ranges})),
        primary=primary,
        compartments=members,
        mentions=members,
    )


limits = st.one_of(
    st.builds(
        Limit,
        st.sampled_from(("low", "high")),
        st.sampled_from(("<", "<=", ">", ">=")),
        st.sampled_from(MOMENTS),
    ),
)
number_limits = st.builds(
    Limit,
    st.sampled_from(("low", "high")),
    st.sampled_from(("<", "<=", ">", ">=")),
    st.sampled_from(NUMBERS),
)
moment_limits = st.builds(
    Limit,
    st.just("low"),
    st.sampled_from(("<", "<=", ">", ">=")),
    st.integers(START, START + 40_000),
)
CODES = ("code=a\x1fx", "code=a\x1fy", "code=b\x1f")


@st.composite
def measurements(draw: st.DrawFn, logical_id: str) -> IndexRecord:
    """Records of one value each, which stands with each of its codes as well."""
    record = draw(records(logical_id))
    ends, unit = draw(st.tuples(st.sampled_from(ENDS), st.sampled_from(ENDS))), draw(units)
    codes = draw(st.sets(st.sampled_from(CODES), max_size=2))
    axes = ("value-quantity\x1f", *(f"code-value-quantity:${code[5:]}\x1f" for code in codes))
    values = [Range(axis + unit, min(ends), max(ends), ("|mg",)) for axis in axes]
    terms = {each for each in record.terms if not each.startswith("code=")} | codes
    return msgspec.structs.replace(
        record, terms=tuple(sorted(terms)), ranges=tuple(sorted((*record.ranges, *values), key=str))
    )


coded = st.builds(
    lambda code, *values: AllOf((code, *values)),
    st.sampled_from(
        (
            HasTerm("code=a\x1fx"),
            HasAnyTerm(("code=a\x1fx", "code=b\x1f")),
            HasTermBetween("code=a\x1f", prefix_end("code=a\x1f")),
        )
    ),
    *(
        st.builds(
            HasRange,
            st.just("value-quantity\x1f"),
            st.tuples(number_limits),
            st.sampled_from(((), (), ("|mg",))),
            unit=st.sampled_from(("", "", "g")),
        ),
    )
    * 2,
)
since = st.builds(
    lambda moment, later: AnyOf(
        (
            HasRange("when", (Limit("high", ">=", later),), primary=True),
            HasRange("when", (Limit("low", ">=", moment),), primary=True),
        )
    ),
    st.sampled_from(MOMENTS),
    st.sampled_from(MOMENTS),
)
"""What a search for `ge` of the primary date is, whichever of its two moments is the later."""

texts = st.lists(st.sampled_from(VOCABULARY), max_size=4).map(" ".join)
phrases = st.builds(
    Phrase, st.lists(st.sampled_from(VOCABULARY[:-1]), min_size=1, max_size=2).map(tuple)
)
asked_words: st.SearchStrategy[Words] = st.recursive(
    phrases,
    lambda inner: st.one_of(
        st.builds(Every, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Some, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)
leaves: st.SearchStrategy[Predicate] = st.one_of(
    st.builds(HasWords, st.sampled_from(("narrative", "content")), asked_words),
    st.builds(HasTerm, st.sampled_from(TERMS)),
    st.builds(HasAnyTerm, st.lists(st.sampled_from(TERMS), max_size=12).map(tuple)),
    st.sampled_from(("code=a\x1f", "code=", "family^smi", "family^", 'code"hi', 'code"')).map(
        lambda prefix: HasTermBetween(prefix, prefix_end(prefix))
    ),
    st.builds(
        HasTermContaining,
        st.just("family^"),
        st.sampled_from(("mit", "smith", "th", "es", "y", "q", "xsmith")),
        st.booleans(),
    ),
    st.builds(
        HasRange,
        st.just("when"),
        st.lists(limits, min_size=1, max_size=3).map(tuple),
        st.just(()),
        st.just(True),  # noqa: FBT003 - hypothesis builds by position
    ),
    since,
    st.builds(HasRange, st.just("date"), st.lists(limits, min_size=1, max_size=3).map(tuple)),
    st.builds(
        HasRange,
        st.just("value"),
        st.lists(number_limits, min_size=1, max_size=2).map(tuple),
        st.sampled_from(((), (), ("|mg",), ("0$x", "|mg"))),
    ),
    st.builds(
        HasRange,
        st.sampled_from(("amount\x1f", "pair:a\x1f", "pair:a\x1fx\x1f", "pair:b\x1fx\x1f")),
        st.lists(number_limits, min_size=1, max_size=2).map(tuple),
        st.sampled_from(((), ("|mg",))),
        unit=st.sampled_from(("", "g", "mg", "m")),
    ),
    st.builds(
        IsNear,
        st.just("near"),
        st.sampled_from((54.0, 54.001, 90.0)),
        st.sampled_from((-1.9, 0.0, -180.0)),
        st.sampled_from((0.0, 150.0, 222.5, 2e7)),
    ),
    st.builds(IsPresent, st.sampled_from(("date", "value", "none"))),
    st.builds(HasId, st.lists(st.sampled_from(["r0", "r3", "r5", "zz"]), max_size=3).map(tuple)),
    st.builds(Updated, st.lists(moment_limits, min_size=1, max_size=2).map(tuple)),
)
predicates = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)
sort_keys = st.sampled_from(
    [
        SortKey(parameter, kind, descending=descending, sources=sources)
        for parameter, kind, sources in (
            ("when", PRIMARY, ()),
            ("date", "date", ()),
            ("either-date", "date", ("date", "issued")),
            ("value", "number", ()),
            ("either-value", "number", ("value", "dose")),
            ("amount", "quantity", ()),
            ("family", "string", ()),
            ("code", "token", ()),
            ("either-code", "token", ("code", "identifier")),
            ("patient", "reference", ()),
            ("url", "uri", ()),
            ("_lastUpdated", "date", ()),
            ("_id", "token", ()),
        )
        for descending in (False, True)
    ]
)
plans = st.builds(
    lambda predicate, sort: Plan(frozenset({"Observation"}), predicate, tuple(sort)),
    predicates,
    st.lists(sort_keys, max_size=3),
)
sights = st.sampled_from(
    [
        Visibility.everything("test"),
        *(Visibility.everything("test").of_patient(p) for p in PATIENTS),
    ]
)
Version: TypeAlias = tuple[IndexRecord, str, str]
"""A record, and what the body says: in the narrative, and in notes."""

histories = st.integers(0, 14).flatmap(
    lambda number: st.tuples(
        *(st.tuples(records(f"r{each % 9}"), texts, texts) for each in range(number))
    )
)
histories_of_measurements = st.integers(1, 8).flatmap(
    lambda number: st.tuples(
        *(st.tuples(measurements(f"r{each}"), texts, texts) for each in range(number))
    )
)


def said(version: Version) -> dict[str, Any]:
    _, narrative, notes = version
    return {"text": {"div": f"<div>{narrative}</div>"}, "note": [notes[:9], notes[9:]]}


def draft(version: Version, number: int) -> Draft:
    record = version[0]
    rest = msgspec.json.encode({"n": number, **said(version)})[1:-1]
    return Draft(Key("Observation", record.id), b"", rest, record)


OF_BONES = Plan(frozenset({"Observation"}), HasWords("narrative", Phrase(("bone",))))
FRESH = ((0, 0), (0, 100), (100, 100))
"""How much may be not indexed yet after half of the writes, and after all."""


async def written(store: Store, history: tuple[Version, ...], indexed: int) -> list[Candidate]:
    """Write the records, those of one id as versions, delete one; return what the oracle judges."""
    ops: list[WriteOp] = [Put(draft(each, number)) for number, each in enumerate(history)]
    ops.append(Delete(Key("Observation", "r2")))
    half = len(ops) // 2
    answers = [*await store.write(ops[:half], atomic=False)]
    with patch.object(words, "FRESH", indexed):
        await store.count(Visibility.everything("test"), OF_BONES)
    answers += await store.write(ops[half:], atomic=False)
    current: dict[str, Candidate] = {}
    for each, answer in zip(history, answers, strict=False):
        record = each[0]
        rid = current[record.id].rid if record.id in current else len(current)
        assert isinstance(answer, Written)
        says = partial(has_words, texts_of(said(each)))
        current[record.id] = Candidate(record, answer.stored.moment, rid, says)
    current.pop("r2", None)
    return list(current.values())


Asked: TypeAlias = tuple[Plan, Visibility, int, str]
"""A plan, who asks, the size of a page, and the way to sort."""

asked = st.lists(
    st.tuples(plans, sights, st.integers(1, 4), st.sampled_from(sorted(WAYS))),
    min_size=SEARCHES,
    max_size=SEARCHES,
)


asked_of_codes = st.lists(
    st.tuples(
        st.builds(
            lambda predicate, sort: Plan(frozenset({"Observation"}), predicate, tuple(sort)),
            coded,
            st.lists(sort_keys, max_size=1),
        ),
        sights,
        st.integers(1, 4),
        st.sampled_from(("one is many", "what is gathered read in stretches")),
    ),
    min_size=SEARCHES,
    max_size=SEARCHES,
)


def found_by(way: str) -> ExitStack:
    """Set the thresholds of a way, until the stack is closed."""
    patches = ExitStack()
    for name, number in WAYS[way].items():
        package = "search" if name.startswith("planning.") else "storage.sqlite"
        patches.enter_context(patch(f"fhir_server.{package}.{name}", number))
    return patches


Writes: TypeAlias = tuple[tuple[Version, ...], tuple[int, int]]
"""A history, and how much of it the words may lack."""

writes = st.tuples(histories, st.sampled_from(FRESH))
writes_of_measurements = st.tuples(histories_of_measurements, st.sampled_from(FRESH))


async def compare(backend: str, written_first: Writes, several: list[Asked]) -> None:
    history, fresh = written_first
    with (
        patch.object(words, "FRESH", fresh[1]),
        patch.object(words, "TOGETHER", 2),
        tempfile.TemporaryDirectory() as folder,
    ):
        async with BACKENDS[backend](Path(folder)) as store:
            candidates = await written(store, history, indexed=fresh[0])
            for plan, sight, size, way in several:
                with found_by(way):
                    await compare_one(store, candidates, plan, sight, size)


async def compare_one(
    store: Store, candidates: list[Candidate], plan: Plan, sight: Visibility, size: int
) -> None:
    seen = [
        each
        for each in candidates
        if sight.patient is None or sight.patient in each.record.compartments
    ]
    expected = [each.record.id for each in ordered(seen, plan)]

    found: list[str] = []
    after = None
    while True:
        page = await store.search(sight, plan, after, size)
        assert len(page.rows) <= size
        found += [row.stored.key.id for row in page.rows]
        after = page.next
        if after is None:
            break
    count = await store.count(sight, plan)

    assert found == expected
    assert count.number == len(expected)
    assert count.exact


@given(records("r0"), predicates)
def test_what_matches_has_one_of_the_terms_that_lead_to_it(
    record: IndexRecord, predicate: Predicate
) -> None:
    terms = leading_terms(predicate)

    assert not (terms and matches(predicate, record, updated=START)) or matches(
        HasAnyTerm(terms), record, updated=START
    )


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[*HealthCheck])
@given(written_first=writes, several=asked)
def test_every_page_of_every_search_is_the_oracles(
    backend: str, written_first: Writes, several: list[Asked]
) -> None:
    asyncio.run(compare(backend, written_first, several))


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[*HealthCheck])
@given(written_first=writes_of_measurements, several=asked_of_codes)
def test_a_code_and_a_value_are_found_as_one_as_they_are_apart(
    backend: str, written_first: Writes, several: list[Asked]
) -> None:
    asyncio.run(compare(backend, written_first, several))
