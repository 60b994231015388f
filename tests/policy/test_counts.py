"""Numbers for other uses than care: what is withheld, what is rounded, what may not be asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.policy.counts import read_counts
from fhir_server.search.parsing import parse_query
from tests.policy.support import DEFINITIONS, ROLES, TABLES

COUNTS = TABLES.counts


@pytest.mark.parametrize(
    "changes", [{"below": 1}, {"nearest": 0}, {"below": 4}, {"criteria": 3}, {"k": 5}]
)
def test_rules_that_would_tell_of_single_people_are_refused(changes: dict[str, Any]) -> None:
    rules = {"below": 8, "nearest": 5, "criteria": []} | changes

    with pytest.raises(ValueError, match=r"rounded|criteria|unknown field"):
        read_counts(json.dumps(rules).encode())


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, None), (1, None), (7, None), (8, 10), (12, 10), (13, 15), (17, 15), (18, 20), (1003, 1005)],
)  # fmt: skip
def test_a_few_are_withheld_like_none_and_the_others_rounded(number: int, told: int | None) -> None:
    assert COUNTS.told(number) == told


@given(st.integers(0, 10**6))
def test_each_number_that_is_told_stands_for_several(number: int) -> None:
    told = COUNTS.told(number)

    assert told is None or (told % 5 == 0 and abs(told - number) <= 2)


def refused(resource_type: str, query: str) -> str | None:
    pairs = [tuple(each.split("=", 1)) for each in query.split("&")]
    plan = parse_query(resource_type, pairs, DEFINITIONS, now=0).plan  # type: ignore[arg-type]
    return COUNTS.refused(plan, ROLES.concern_nobody)


@pytest.mark.parametrize(
    ("resource_type", "query"),
    [
        ("Patient", "_id=ada"),
        ("Patient", "identifier=https://fhir.nhs.uk/Id/nhs-number|9990000018"),
        ("Patient", "identifier:not=9990000018"),
        ("Patient", "name=ada"),
        ("Patient", "family:exact=Lovelace"),
        ("Patient", "phone=07700900000"),
        ("Patient", "address-postalcode=LS1"),
        ("Patient", "identifier:missing=false"),
        ("Patient", "general-practitioner=Practitioner/1"),
        ("Patient", "link=Patient/1"),
        ("Patient", "_has:Observation:subject:_id=o1"),
        ("Patient", "_has:Observation:subject:patient=Patient/ada"),
        ("Patient", "_list=l1"),
        ("Patient", "_lastUpdated=gt2026"),
        ("Patient", '_filter=gender eq female and name co "a"'),
        ("Patient", "_content=ada"),
        ("Patient", "_security=R"),
        ("Observation", "patient=Patient/ada"),
        ("Observation", "subject=ada"),
        ("Observation", "subject:Patient.identifier=9990000018"),
        ("Observation", "subject:Patient.name=ada"),
        ("Observation", "code:text=glu"),
        ("Observation", "performer=Practitioner/1"),
        ("Encounter", "location.near=54|-1|5|km"),
    ],
)  # fmt: skip
def test_what_could_single_people_out_is_no_criterion(resource_type: str, query: str) -> None:
    assert refused(resource_type, query) is not None


@pytest.mark.parametrize(
    ("resource_type", "query"),
    [
        ("Patient", "gender=female"),
        ("Patient", "gender:not=female&birthdate=lt1960"),
        ("Patient", "_has:Condition:subject:code=44054006"),
        ("Patient", "_filter=gender eq female and birthdate lt 1960-01-01"),
        ("Observation", "code=http://loinc.org|8480-6&value-quantity=gt140"),
        ("Observation", "code=8480-6,8462-4&date=ge2026"),
        ("Observation", "code-value-quantity=8480-6$gt140"),
        ("Observation", "subject:Patient.gender=female"),
        ("Observation", "code:missing=false"),
        ("Encounter", "location=Location/w1"),
        ("Encounter", "service-provider=Organization/RXX&status=finished"),
        ("Condition", "clinical-status=active"),
    ],
)
def test_codes_dates_quantities_and_places_are(resource_type: str, query: str) -> None:
    assert refused(resource_type, query) is None
