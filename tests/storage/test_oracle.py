"""Each store answers as the oracle does: random records, predicates, orders, sights and page sizes."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search import planning
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    IsNear,
    IsPresent,
    Limit,
    Not,
    Plan,
    Predicate,
    SortKey,
    Updated,
)
from fhir_server.search.matching import Candidate, ordered
from fhir_server.search.ordering import PRIMARY
from fhir_server.search.planning import DAY, SECOND
from fhir_server.search.record import (
    HIGHEST,
    LOWEST,
    NO_DATE,
    IndexRecord,
    Range,
    prefix_end,
    sortable,
)
from fhir_server.storage.contract import Delete, Draft, Put, Store, WriteOp, Written
from fhir_server.storage.sqlite import sorting, walking
from tests.storage.conftest import BACKENDS, START

EXAMPLES = 3_000 if os.environ.get("FHIR_TEST_LONG") else 150
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
NUMBERS = tuple(map(sortable, map(Decimal, ("-3", "0", "0.002", "2", "2000"))))
ENDS = (LOWEST, *NUMBERS, HIGHEST)
MOMENTS = tuple(day * DAY for day in (0, 1, 2, 40, 400, 1_000))
LENGTHS = (0, SECOND - 1, DAY - 1, 30 * DAY, 365 * DAY, 2**50)
WAYS: dict[str, dict[str, int]] = {
    "as it decides": {},
    "the index walked": {"FEW": 0, "CHUNK": 1, "MOST_IN_CHUNK": 2, "LARGE": 0},
    "the index walked, equals sorted": {"FEW": 0},
    "the index walked until it is too far": {"FEW": 1, "LARGE": 1},
}
"""How a page may be sorted, by the thresholds that lead to it."""

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
leaves: st.SearchStrategy[Predicate] = st.one_of(
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
histories = st.integers(0, 8).flatmap(
    lambda number: st.tuples(*(records(f"r{each % 7}") for each in range(number)))
)


def draft(record: IndexRecord, number: int) -> Draft:
    return Draft(Key("Observation", record.id), b"", b'"n":%d' % number, record)


async def written(store: Store, history: tuple[IndexRecord, ...]) -> list[Candidate]:
    """Write the records, those of one id as versions, delete one; return what the oracle judges."""
    ops: list[WriteOp] = [Put(draft(each, number)) for number, each in enumerate(history)]
    ops.append(Delete(Key("Observation", "r2")))
    answers = await store.write(ops, atomic=False)
    current: dict[str, Candidate] = {}
    for each, answer in zip(history, answers, strict=False):
        rid = current[each.id].rid if each.id in current else len(current)
        assert isinstance(answer, Written)
        current[each.id] = Candidate(each, answer.stored.moment, rid)
    current.pop("r2", None)
    return list(current.values())


def sorted_by(way: str) -> ExitStack:
    """Set the thresholds of a way to sort, until the stack is closed."""
    patches = ExitStack()
    for name, number in WAYS[way].items():
        patches.enter_context(patch.object(walking if name == "LARGE" else sorting, name, number))
    return patches


async def compare(
    backend: str, history: tuple[IndexRecord, ...], plan: Plan, sight: Visibility, size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with BACKENDS[backend](Path(folder)) as store:
            candidates = await written(store, history)
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


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    history=histories,
    plan=plans,
    sight=sights,
    size=st.integers(1, 4),
    way=st.sampled_from(sorted(WAYS)),
    few=st.sampled_from((planning.PROBE, 1, 3)),
)
def test_every_page_of_every_search_is_the_oracles(  # noqa: PLR0917 - what is drawn
    backend: str,
    history: tuple[IndexRecord, ...],
    plan: Plan,
    sight: Visibility,
    size: int,
    way: str,
    few: int,
) -> None:
    # What is few decides what leads, and nothing else.
    with sorted_by(way), patch.multiple(planning, SHORT=few, PROBE=few):
        asyncio.run(compare(backend, history, plan, sight, size))


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    history=st.integers(1, 8).flatmap(
        lambda number: st.tuples(*(measurements(f"r{each}") for each in range(number)))
    ),
    asked=coded,
    sort=st.lists(sort_keys, max_size=1),
    sight=sights,
)
def test_a_code_and_a_value_are_found_as_one_as_they_are_apart(
    backend: str,
    history: tuple[IndexRecord, ...],
    asked: Predicate,
    sort: list[SortKey],
    sight: Visibility,
) -> None:
    plan = Plan(frozenset({"Observation"}), asked, tuple(sort))
    with patch.multiple(planning, SHORT=1, PROBE=1):
        asyncio.run(compare(backend, history, plan, sight, 3))
