"""Scopes with search parameters: several reach what one of them does, and what is no criterion gives no right."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.conformance.definitions import definitions_in
from fhir_server.policy.access import Access
from fhir_server.policy.criteria import SearchReader
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import LETTERS, Scope, parse_scopes
from fhir_server.policy.visibility import Visibility
from fhir_server.search.indexing import Extractor
from fhir_server.search.matching import matches
from fhir_server.search.record import IndexRecord
from fhir_server.settings import definitions_folder

GIVES_NOTHING = [
    "unheard-of=1",
    "category",
    "",
    "=x",
    "code:unheard=a",
    "subject:Patient.name=x",
    "_has:Provenance:target:agent=Practitioner/1",
    "_text=dizzy",
    "_content=dizzy",
    "_lastUpdated=gt2020",
    "date=ap2020-01-01",
    "_count=1",
    "_sort=date",
    "_include=Observation:subject",
    "_filter=subject.name eq x",
    "encounter:below=Encounter/1",
    "category=laboratory&unheard-of=1",
]
CRITERIA = ("category=laboratory", "code=a,b", "status:not=final", "value-quantity=gt5", "_id=o1")
SCOPES = (
    "patient/Observation.rs",
    "user/Observation.r",
    "patient/*.s",
    "user/Slot.cruds",
    *(f"{context}/Observation.rus?{each}" for context in ("patient", "user") for each in CRITERIA),
    "patient/Observation.s?category=laboratory&code=a",
    "user/Observation.rs?unheard-of=1",
)


@cache
def reader() -> SearchReader:
    known = definitions_in(definitions_folder())
    return SearchReader(known, Extractor(known), "")


def sight_of(*scopes: str, letter: str = "r", patient: str | None = "ada") -> Visibility:
    access = Access("https://a.example", "ada", parse_scopes(" ".join(scopes)), patient=patient)
    return rights_of(access).read_by(reader()).sight(letter)


def an_observation(
    name: str, subject: str, *, category: str, code: str, status: str, value: int
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": status,
        "category": [{"coding": [{"code": category}]}],
        "code": {"coding": [{"code": code}]},
        "subject": {"reference": f"Patient/{subject}"},
        "valueQuantity": {"value": value},
    }


observations = st.builds(
    an_observation,
    st.sampled_from(("o1", "o2")),
    st.sampled_from(("ada", "bob")),
    category=st.sampled_from(("laboratory", "vital-signs")),
    code=st.sampled_from("abc"),
    status=st.sampled_from(("final", "amended")),
    value=st.sampled_from((3, 7)),
)


def permits(scope: Scope, letter: str, record: IndexRecord, patient: str | None) -> bool:
    """Tell, scope by scope, whether it opens a resource: the rule in other words."""
    if letter not in scope.letters or scope.type not in {"Observation", "*"}:
        return False
    if scope.context == "patient" and (patient is None or patient not in record.compartments):
        return False
    if not scope.parameters:
        return True
    asked = reader().asked(scope.type, scope.parameters)
    return asked is not None and matches(asked, record, updated=0)


@pytest.mark.parametrize("parameters", GIVES_NOTHING)
def test_what_cannot_be_told_from_a_resource_alone_gives_no_right(parameters: str) -> None:
    sight = sight_of(f"user/Observation.rs?{parameters}")

    assert not sight.permits_type("Observation")
    assert not sight_of(f"patient/*.rs?{parameters}").permits_type("Observation")


@pytest.mark.parametrize("scope", ["user/*.rs?_id=1", "patient/Unheard.rs?_id=1"])
def test_every_type_and_no_type_have_no_parameters_of_their_own(scope: str) -> None:
    assert sight_of(scope).types == frozenset()


@given(
    scopes=st.lists(st.sampled_from(SCOPES), max_size=4),
    letter=st.sampled_from(LETTERS),
    resource=observations,
    patient=st.sampled_from(("ada", None)),
)
def test_scopes_reach_what_one_of_them_does(
    scopes: list[str], letter: str, resource: dict[str, Any], patient: str | None
) -> None:
    record = reader().extractor.extract(resource)
    parsed = parse_scopes(" ".join(scopes))
    sight = sight_of(*scopes, letter=letter, patient=patient)

    permitted = [permits(each, letter, record, patient) for each in parsed.given | parsed.narrowed]
    assert sight.sees("Observation", record) == any(permitted)


@given(
    first=st.lists(st.sampled_from(SCOPES), max_size=3),
    second=st.lists(st.sampled_from(SCOPES), max_size=3),
    resource=observations,
)
def test_together_two_sights_see_what_each_of_them_sees(
    first: list[str], second: list[str], resource: dict[str, Any]
) -> None:
    record = reader().extractor.extract(resource)
    one, other = sight_of(*first), sight_of(*second)

    both = one.sees("Observation", record) and other.sees("Observation", record)
    assert (one & other).sees("Observation", record) == both


def test_a_sight_with_criteria_is_not_of_everything() -> None:
    sight = sight_of("user/Observation.rs?category=laboratory", "user/Patient.rs")

    assert not sight.is_unlimited
    assert not sight.sees_whole("Observation")
    assert sight.sees_whole("Patient")
