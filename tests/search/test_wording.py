"""What a search was understood as, in words."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.expression import (
    HasAnyTerm,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    IsNear,
    Predicate,
)
from fhir_server.search.record import pair_term
from fhir_server.search.sortable import just_above, just_below, sortable
from fhir_server.search.wording import bound, worded
from tests.search.support import query_of


@pytest.mark.parametrize(
    ("kind", "query", "words"),
    [
        ("Patient", "", "always"),
        ("Patient", "name=Smi", 'Patient.name begins with "smi"'),
        (
            "Patient",
            "name:exact=Smi",
            '(Patient.name is, folded, "smi" and Patient.name is exactly "Smi")',
        ),
        ("Patient", "name:contains=mi", 'Patient.name contains "mi"'),
        ("Patient", "_id=a,b", "(Patient._id is a or Patient._id is b)"),
        ("Patient", "gender=female", "Patient.gender is female of any system"),
        ("Patient", "gender:not=male", "not (Patient.gender is male of any system)"),
        ("Patient", "identifier=|1", "Patient.identifier is 1 of no system"),
        ("Patient", "name:missing=true", "not (Patient.name is there)"),
        ("Patient", "organization=1", "Patient.organization is Organization/1"),
        (
            "Patient",
            "birthdate=1980-01-02",
            "Patient.birthdate has low >= 1980-01-02T00:00:00.000Z and high < 1980-01-03T00:00:00.000Z",
        ),
        (
            "Patient",
            "_lastUpdated=gt2020-01-01",
            "Patient._lastUpdated has high >= 2020-01-02T00:00:00.000Z",
        ),
        (
            "Observation",
            "value-quantity=lt-5.5||mg",
            "Observation.value-quantity with |mg has low < -5.5",
        ),
        (
            "Observation",
            "subject:Patient.name=a",
            'Observation.subject refers to a Patient where Patient.name begins with "a"',
        ),
        (
            "Patient",
            "_has:Observation:patient:status=final",
            "Observation.patient refers to it from where Observation.status is final of any system",
        ),
        ("Patient", "gender:text=fem", 'Patient.gender has a text that begins with "fem"'),
        ("ValueSet", "url=http://x.org/a", "ValueSet.url is http://x.org/a"),
    ],
)
def test_a_search_is_told_in_words(kind: str, query: str, words: str) -> None:
    assert worded(kind, query_of(kind, query).plan.predicate) == words


@pytest.mark.parametrize(
    ("predicate", "words"),
    [
        (HasTerm("@7"), "it is in the compartment of Patient/7"),
        (HasAnyTerm(()), "never"),
        (IsNear("near", 54, -1.5, 2000), "Task.near is within 2000 m of 54, -1.5"),
        (HasTermContaining("name^", "th", at_end=True), 'Task.name ends with "th"'),
        (HasTermBetween("a^b", "a^c"), "Task has a term from a^b to a^c"),
        (
            HasTerm(pair_term("Task", "patient>Patient/1", "code=a\x1fs") or ""),
            "Task.patient is Patient/1 and Task.code is a of system s",
        ),
        (
            HasAnyTerm(tuple(f"url@{each}" for each in range(1000))),
            "(Task.url is 0 or Task.url is 1 or Task.url is 2 or Task.url is 3 or Task.url is 4 or 995 others)",
        ),
    ],
    ids=str,
)
def test_what_a_planner_makes_of_it_is_told_as_well(predicate: Predicate, words: str) -> None:
    assert worded("Task", predicate) == words


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=4) | st.integers(-9, 9).map(
    Decimal
)


@given(numbers)
def test_a_number_is_told_as_it_is(number: Decimal) -> None:
    assert Decimal(bound(sortable(number))) == number


@given(numbers.filter(bool))
def test_what_is_just_beside_a_number_is_not_told_as_it(number: Decimal) -> None:
    assert bound(just_above(sortable(number))) == just_above(sortable(number))
    assert bound(just_below(sortable(number))) == just_below(sortable(number))
