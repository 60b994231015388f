"""What is in a compartment: the same for a search in it and for who may see no more than it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.resource import Key, Resource
from fhir_server.search.compartments import members, within
from fhir_server.search.expression import AllOf, HasAnyTerm, HasId, HasTerm, Plan
from fhir_server.search.matching import matches
from tests.search.support import BASE, DEFINITIONS, UPDATED, record_of

ADA = Key("Patient", "ada")
REFERENCES = st.sampled_from(
    [
        {"reference": "Patient/ada"},
        {"reference": "Patient/ada/_history/2"},
        {"reference": f"{BASE}/Patient/ada"},
        {"reference": "http://other.org/fhir/Patient/ada"},
        {"reference": "Patient/grace"},
        {"reference": "Group/ada"},
        {"reference": "#ada"},
        {"identifier": {"value": "ada"}},
    ]
)


def a_resource(resource_type: str, **elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {
            "resourceType": st.just(resource_type),
            "id": st.sampled_from(["ada", "x"]),
            "meta": st.just({}),
        },
        optional=elements,
    )


def listed(**element: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.fixed_dictionaries(element), min_size=1, max_size=2)


RESOURCES = st.one_of(
    a_resource(
        "Observation",
        subject=REFERENCES,
        performer=st.lists(REFERENCES, min_size=1, max_size=2),
        focus=st.lists(REFERENCES, min_size=1, max_size=2),
    ),
    a_resource("Appointment", participant=listed(actor=REFERENCES)),
    a_resource("Flag", subject=REFERENCES, author=REFERENCES),
    a_resource("Patient", link=listed(other=REFERENCES)),
    a_resource("Group", member=listed(entity=REFERENCES)),
    a_resource("Provenance", target=st.lists(REFERENCES, min_size=1, max_size=2)),
)


def plan_in(owner: Key, *types: str) -> Plan:
    return within(Plan(frozenset(types) or None), owner, DEFINITIONS)


def is_in(resource: Resource, owner: Key) -> bool:
    predicate = plan_in(owner, resource["resourceType"]).predicate_of(resource["resourceType"])
    return matches(predicate, record_of(resource), updated=UPDATED)


@pytest.mark.parametrize(
    ("owner", "resource_type", "message"),
    [
        (Key("Location", "1"), "Observation", "compartments are of Device, Encounter, Patient"),
        (ADA, "Location", r"compartment of a Patient: Patient/ada/\* finds all"),
    ],
)
def test_what_is_in_no_such_compartment_is_refused(
    owner: Key, resource_type: str, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        plan_in(owner, resource_type)


@given(RESOURCES)
def test_a_patients_compartment_is_what_the_index_record_says(resource: Resource) -> None:
    assert is_in(resource, ADA) == ("ada" in record_of(resource).compartments)


@pytest.mark.parametrize("compartment", sorted(DEFINITIONS.compartments))
def test_a_search_of_all_is_over_each_type_of_the_compartment(compartment: str) -> None:
    plan = plan_in(Key(compartment, "1"))

    assert plan.types == frozenset(members(DEFINITIONS, compartment))
    assert all(plan.predicate_of(each) != plan.predicate for each in plan.types)


@pytest.mark.parametrize("compartment", ["Encounter", "Patient", "Practitioner", "RelatedPerson"])
def test_a_resource_is_in_its_own_compartment(compartment: str) -> None:
    plan = plan_in(Key(compartment, "1"), compartment)

    assert plan.predicate == AllOf((HasId(("1",)), AllOf(())))


def test_a_device_is_in_no_compartment_of_its_own() -> None:
    assert "Device" not in members(DEFINITIONS, "Device")


def test_each_type_is_searched_by_its_own_parameters() -> None:
    plan = plan_in(Key("Practitioner", "1"), "Flag", "Observation")

    assert plan.placed == (
        ("Flag", HasTerm("author>Practitioner/1")),
        ("Observation", HasTerm("performer>Practitioner/1")),
    )
    assert plan_in(ADA, "Flag", "Observation").placed[1] == (
        "Observation",
        HasAnyTerm(("subject>Patient/ada", "performer>Patient/ada")),
    )
