"""Chains into contained resources, searched: https://hl7.org/fhir/R4/search.html#contained."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.errors import NotSupported
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from tests.interactions.builders import a_patient, put, seeing_only, seeing_types
from tests.interactions.test_search import ids, searched


def coded(text: str) -> Resource:
    return {"coding": [{"system": "http://example.org", "code": text}]}


def a_medicine(resource_id: str, code: str, **more: Any) -> Resource:
    return {"resourceType": "Medication", "id": resource_id, "code": coded(code)} | more


def a_request(resource_id: str, reference: str, *contained: Resource) -> Resource:
    request: Resource = {
        "resourceType": "MedicationRequest",
        "id": resource_id,
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/ada"},
        "medicationReference": {"reference": reference},
    }
    return request | ({"contained": list(contained)} if contained else {})


@pytest.fixture
async def pharmacy(call: Call) -> Call:
    """Requests of a medicine of the list, and of two that are mixed for them."""
    await put(call, a_patient(resource_id="ada"))
    await put(call, a_medicine("tablet", "tablet"))
    await put(call, {"resourceType": "Organization", "id": "maker", "name": "Acme"})
    made = {"manufacturer": {"reference": "Organization/maker"}}
    await put(call, a_request("listed", "Medication/tablet"))
    await put(call, a_request("mixed", "#m", a_medicine("m", "mixture", **made)))
    await put(call, a_request("other", "#m", a_medicine("m", "ointment")))
    return call


@pytest.mark.parametrize("name", ["_contained=true", "_containedType=contained"])
async def test_contained_resources_by_themselves_are_refused(pharmacy: Call, name: str) -> None:
    with pytest.raises(NotSupported, match="contained resources"):
        await searched(pharmacy, "Medication", name)


FOUND = [
    ("MedicationRequest", "medication.code=mixture", {"mixed"}),
    ("MedicationRequest", "medication.code=mixture,tablet", {"mixed", "listed"}),
    ("MedicationRequest", "medication.code:not=tablet", {"mixed", "other"}),
    ("MedicationRequest", "medication.code=mixture&patient=ada", {"mixed"}),
    ("MedicationRequest", "medication.manufacturer.name=acme", {"mixed"}),
    ("MedicationRequest", "medication.code=powder", set()),
    ("MedicationRequest", "medication._id=m", set()),
    ("Medication", "code=mixture", set()),
    ("Patient", "_has:MedicationRequest:patient:medication.code=mixture", {"ada"}),
    ("Patient", "_has:MedicationRequest:patient:medication.code=powder", set()),
]


@pytest.mark.parametrize(("kind", "query", "expected"), FOUND)
async def test_a_chain_is_evaluated_inside_contained_resources(
    pharmacy: Call, kind: str, query: str, expected: set[str]
) -> None:
    assert ids(await searched(pharmacy, kind, query)) == expected
    assert (await searched(pharmacy, kind, f"{query}&_summary=count")).total == len(expected)


async def test_what_is_contained_is_seen_with_what_contains_it(pharmacy: Call) -> None:
    query = "medication.code=mixture"

    assert ids(await searched(seeing_only(pharmacy, "ada"), "MedicationRequest", query)) == {
        "mixed"
    }
    assert ids(await searched(seeing_only(pharmacy, "bob"), "MedicationRequest", query)) == set()
    seen = seeing_types(pharmacy, "MedicationRequest")
    assert ids(await searched(seen, "MedicationRequest", query)) == {"mixed"}
    led_out = "medication.manufacturer.name=acme"
    assert ids(await searched(seen, "MedicationRequest", led_out)) == set()


async def test_what_is_contained_no_longer_is_no_longer_found(pharmacy: Call) -> None:
    await put(pharmacy, a_request("mixed", "Medication/tablet"))
    await delete(pharmacy, Key("MedicationRequest", "other"))

    for code, expected in (
        ("mixture", set()),
        ("ointment", set()),
        ("tablet", {"mixed", "listed"}),
    ):
        found = await searched(pharmacy, "MedicationRequest", f"medication.code={code}")
        assert ids(found) == expected
