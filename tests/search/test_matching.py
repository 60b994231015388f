"""The oracle: what predicates mean, and the order of a page."""

from __future__ import annotations

import pytest

from fhir_server.search.expression import (
    EVERYTHING,
    NOTHING,
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    IsPresent,
    Limit,
    Not,
    Plan,
    Predicate,
    SortKey,
    Updated,
)
from fhir_server.search.matching import Candidate, matches, ordered, sort_key
from fhir_server.search.record import NO_DATE, IndexRecord, Range


def a_record(
    logical_id: str = "ada", *terms: str, ranges: tuple[Range, ...] = (), primary: int = NO_DATE
) -> IndexRecord:
    return IndexRecord(logical_id, tuple(sorted(terms)), ranges, ("code",), primary, (), ())


RECORD = a_record(
    "ada", "code=a\x1fs", "family^smith", ranges=(Range("date", 10, 20), Range("date", 40, 50))
)

HOLDS: list[Predicate] = [
    EVERYTHING,
    HasTerm("code=a\x1fs"),
    HasAnyTerm(("x", "code=a\x1fs")),
    HasTermBetween("code=a", "code=b"),
    HasTermBetween("code=a\x1fs", "code=a\x1ft"),
    HasTermContaining("family^", "mit"),
    HasTermContaining("family^", "smith"),
    HasTermContaining("family^", "th", at_end=True),
    HasRange("date", (Limit("low", ">=", 10), Limit("high", "<=", 20))),
    HasRange("date", (Limit("low", ">", 20),)),
    IsPresent("code"),
    HasId(("eve", "ada")),
    Updated((Limit("low", ">=", 100), Limit("high", "<=", 100))),
    Not(NOTHING),
    Not(HasId(("eve",))),
    AllOf((HasId(("ada",)), IsPresent("code"))),
    AnyOf((HasId(("eve",)), IsPresent("code"))),
]

FAILS: list[Predicate] = [
    NOTHING,
    HasTerm("code=a"),
    HasAnyTerm(()),
    HasTermBetween("code=b", "code=c"),
    HasTermBetween("a", "code=a\x1fs"),
    HasTermContaining("family^s", "smith"),
    HasTermContaining("family^", "mit", at_end=True),
    HasTermContaining("family^s", "smith", at_end=True),
    HasTermContaining("code^", "mit"),
    # Each limit holds of one range, and not both of the same.
    HasRange("date", (Limit("low", ">=", 40), Limit("high", "<=", 20))),
    HasRange("period", ()),
    IsPresent("date"),
    HasId(()),
    Updated((Limit("low", ">", 100),)),
    Not(EVERYTHING),
    AllOf((HasId(("ada",)), IsPresent("date"))),
    AnyOf((HasId(("eve",)), IsPresent("date"))),
]


@pytest.mark.parametrize("predicate", FAILS, ids=repr)
def test_what_does_not_hold_is_not_found(predicate: Predicate) -> None:
    assert not matches(predicate, RECORD, updated=100)


@pytest.mark.parametrize("predicate", HOLDS, ids=repr)
def test_what_holds_is_found(predicate: Predicate) -> None:
    assert matches(predicate, RECORD, updated=100)


@pytest.mark.parametrize(
    ("parameter", "kind", "ascending", "descending"),
    [
        ("date", "date", 10, 50),
        ("dose", "quantity", "5", "7"),
        ("family", "string", "jones", "smith"),
        ("code", "token", "a\x1f", "b\x1f"),
        ("subject", "reference", "Patient/1", "Patient/2"),
        ("url", "uri", "urn:a", "urn:b"),
        ("_id", "token", "ada", "ada"),
        ("_lastUpdated", "date", 100, 100),
        ("issued", "date", None, None),
        ("given", "string", None, None),
    ],
)
def test_many_values_sort_by_the_least_ascending_and_the_greatest_descending(
    parameter: str, kind: str, ascending: object, descending: object
) -> None:
    record = a_record(
        "ada",
        *("family^smith", "family^jones", "code=b\x1fs", "code=a\x1fs"),
        *("subject>Patient/1", "subject>Patient/2", "url@urn:a", "url@urn:b"),
        ranges=(
            Range("date", 10, 20),
            Range("date", 40, 50),
            Range("dose", "5", "7"),
            Range("dose|mg", "1", "8"),
        ),
    )

    up = sort_key(record, SortKey(parameter, kind, descending=False), updated=100)
    down = sort_key(record, SortKey(parameter, kind, descending=True), updated=100)

    assert (up, down) == (ascending, descending)


FAMILIES = [
    Candidate(a_record("a", "family^smith", primary=5), 1, 1),
    Candidate(a_record("b", "family^jones", primary=5), 2, 2),
    Candidate(a_record("c", primary=9), 3, 3),
    Candidate(a_record("d", "family^jones", primary=7), 4, 4),
    Candidate(a_record("e"), 5, 5),
]


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ((), "cdbae"),
        ((SortKey("family", "string", descending=False),), "dbace"),
        ((SortKey("family", "string", descending=True),), "adbce"),
        ((SortKey("date", "primary", descending=False),), "abdce"),
        (
            (
                SortKey("family", "string", descending=False),
                SortKey("date", "primary", descending=False),
            ),
            "bdace",
        ),
        ((SortKey("_lastUpdated", "date", descending=True),), "edcba"),
        (
            (
                SortKey("family", "string", descending=False),
                SortKey("_id", "token", descending=False),
            ),
            "bdace",
        ),
    ],
)
def test_what_is_missing_comes_last_and_of_equals_the_newest_first(
    sort: tuple[SortKey, ...], ids: str
) -> None:
    found = ordered(FAMILIES, Plan(None, EVERYTHING, sort))

    assert "".join(each.record.id for each in found) == ids


def test_only_matches_are_ordered() -> None:
    found = ordered(FAMILIES, Plan(None, HasTerm("family^jones")))

    assert [each.record.id for each in found] == ["d", "b"]
