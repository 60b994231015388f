"""Whom a search names: what any other answer could be in names nobody, and all members are asked."""

from __future__ import annotations

import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.federation.subjects import Naming, namings
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.search.parsing import parse_query
from tests.search.support import DEFINITIONS

A, B = nhs_number(1), nhs_number(2)
WHO = f"{NHS_NUMBER}|{A}"

NOBODY = [
    "Patient?",
    "Patient?family=smith",
    f"Patient?identifier={A}",
    f"Patient?identifier=|{A}",
    f"Patient?identifier={NHS_NUMBER}|",
    f"Patient?identifier={NHS_NUMBER}|{A[:9]}",
    f"Patient?identifier={WHO}0",
    f"Patient?identifier={NHS_NUMBER}|{A[:3]} {A[3:6]} {A[6:]}",
    f"Patient?identifier=https://trust.example/mrn|{A}",
    f"Patient?identifier={WHO},{B}",
    f"Patient?identifier={WHO},{NHS_NUMBER}|x",
    f"Patient?identifier:not={WHO}",
    f"Patient?identifier:of-type=http://a.example|MR|{A}",
    "Patient?identifier:missing=true",
    f"Patient?_filter=identifier eq {WHO}",
    f"Patient?link:Patient.identifier:not={WHO}",
    f"Patient?_has:Observation:subject:identifier={WHO}",
    f"Person?identifier={WHO}",
    f"Person?link:Person.identifier={WHO}",
    f"Observation?identifier={WHO}",
    f"Observation?subject:identifier={WHO}",
    f"Observation?subject.identifier={WHO}",
    f"Observation?patient.identifier={WHO}",
    f"Observation?subject:Group.identifier={WHO}",
    f"Observation?encounter:Encounter.identifier={WHO}",
    f"Observation?encounter:Encounter.subject:Patient.identifier={WHO}",
    f"Observation?subject:Patient._id={A}",
]

SOMEBODY = [
    (f"Patient?identifier={WHO}", [Naming("identifier", frozenset({A}))]),
    (f"Patient?identifier={WHO},{NHS_NUMBER}|{B}", [Naming("identifier", frozenset({A, B}))]),
    (
        f"Patient?identifier={WHO}&identifier={NHS_NUMBER}|{B}&family=smith",
        [Naming("identifier", frozenset({A})), Naming("identifier", frozenset({B}))],
    ),
    (f"Observation?subject:Patient.identifier={WHO}", [Naming("subject", frozenset({A}))]),
    (f"Observation?patient:Patient.identifier={WHO}", [Naming("patient", frozenset({A}))]),
    (f"Patient?link:Patient.identifier={WHO}", [Naming("link", frozenset({A}))]),
    (f"Patient?identifier={NHS_NUMBER}|9999999999", [Naming("identifier", frozenset({"9" * 10}))]),
]


def named(asked: str) -> list[Naming]:
    kind, _, criteria = asked.partition("?")
    pairs = tuple(tuple(each.split("=", 1)) for each in criteria.split("&") if each)
    query = parse_query(kind, pairs, DEFINITIONS, now=0)  # type: ignore[arg-type]
    return list(namings(query, kind, DEFINITIONS))


@pytest.mark.parametrize("asked", NOBODY)
def test_what_may_be_answered_about_others_names_nobody(asked: str) -> None:
    assert named(asked) == []


@pytest.mark.parametrize(("asked", "expected"), SOMEBODY)
def test_who_is_named_by_number_alone_is_known(asked: str, expected: list[Naming]) -> None:
    assert named(asked) == expected
