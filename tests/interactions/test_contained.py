"""Chains into contained resources, searched: https://hl7.org/fhir/R4/search.html#contained."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.contained import container_of
from fhir_server.interactions.delete import delete
from fhir_server.interactions.search import Found, search
from tests.interactions.builders import (
    a_patient,
    an_observation,
    put,
    seeing_only,
    seeing_types,
)
from tests.interactions.test_search import assert_found, ids, searched


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
    await assert_found(pharmacy, kind, query, expected)


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


@pytest.fixture
async def mixtures(pharmacy: Call) -> Call:
    """A request with two medicines inside, by makers beside and inside of it, besides the others."""
    inside = {"resourceType": "Organization", "id": "o", "name": "Inside"}
    first = a_medicine("m", "ointment", manufacturer={"reference": "#o"})
    second = a_medicine("n", "tablet", manufacturer={"reference": "Organization/maker"})
    both = a_request("both", "#m", first, second, inside)
    await put(pharmacy, both | {"supportingInformation": [{"reference": "#n"}]})
    return pharmacy


def addresses(found: Found) -> list[str]:
    return [str(row.stored.key) for row in found.rows]


AS_CONTAINERS = [
    ("_contained=true", ["both", "other", "mixed"]),
    ("_contained=both", ["both", "other", "mixed", "tablet"]),
    ("_contained=true&code=tablet", ["both"]),
    ("_contained=true&code=tablet,ointment", ["both", "other"]),
    ("_contained=true&manufacturer.name=acme", ["both", "mixed"]),
    ("_contained=true&manufacturer.name=inside", ["both"]),
    ("_contained=true&manufacturer.name=acme&code=ointment", []),
    ("_contained=both&_sort=_lastUpdated", ["tablet", "mixed", "other", "both"]),
]


@pytest.mark.parametrize(("query", "expected"), AS_CONTAINERS)
async def test_what_contains_a_match_is_found_once(
    mixtures: Call, query: str, expected: list[str]
) -> None:
    found = await searched(mixtures, "Medication", query)

    assert [row.stored.key.id for row in found.rows] == expected
    assert (await searched(mixtures, "Medication", f"{query}&_summary=count")).total == len(
        expected
    )


AS_CONTAINED = [
    ("_contained=true", ["both#m", "both#n", "other#m", "mixed#m"]),
    ("_contained=true&code=tablet", ["both#n"]),
    ("_contained=both&code=tablet", ["both#n", "tablet"]),
    ("_contained=true&_id=m&code=ointment", ["both#m", "other#m"]),
    ("_contained=both&_sort=-code", ["both#n", "tablet", "both#m", "other#m", "mixed#m"]),
]


@pytest.mark.parametrize(("query", "expected"), AS_CONTAINED)
async def test_what_is_contained_is_answered_by_itself(
    mixtures: Call, query: str, expected: list[str]
) -> None:
    query = f"{query}&_containedType=contained"

    found = await searched(mixtures, "Medication", query)

    assert [each.partition("/")[2] for each in addresses(found)] == expected
    assert (await searched(mixtures, "Medication", f"{query}&_summary=count")).total == len(
        expected
    )


async def test_a_contained_resource_is_answered_as_it_stands_in_its_container(call: Call) -> None:
    exact = a_medicine("m", "x", amount={"numerator": {"value": Decimal("1.50")}})
    before = {"resourceType": "Organization", "id": "o", "name": "Medication"}
    await put(call, a_request("it", "#m", before, exact | {"manufacturer": {"reference": "#o"}}))

    found = await searched(call, "Medication", "_contained=true&_containedType=contained")

    (row,) = found.rows
    assert str(row.stored.key) == "MedicationRequest/it#m"
    assert str(container_of(row).key) == "MedicationRequest/it"
    assert row.stored.body is not None
    assert row.stored.body.startswith(b'{"resourceType":"Medication","id":"m","code":')
    assert b'"value":1.50' in row.stored.body
    assert b"SUBSETTED" not in row.stored.body


async def test_what_a_contained_resource_refers_to_is_included(mixtures: Call) -> None:
    query = "_contained=true&_containedType=contained&_include=Medication:manufacturer"

    found = await searched(mixtures, "Medication", query)

    assert [str(row.stored.key) for row in found.included] == ["Organization/maker"]


async def test_a_page_has_no_more_contained_resources_than_it_may(mixtures: Call) -> None:
    pairs = [("_contained", "both"), ("_containedType", "contained"), ("_count", "1")]
    met: list[str] = []
    after = None

    for _ in range(5):
        page = await search(mixtures, "Medication", pairs, after=after, now=0)
        met += addresses(page)
        after = page.next

    assert after is None
    assert [each.partition("/")[2] for each in met] == [
        "both#m", "both#n", "other#m", "mixed#m", "tablet",
    ]  # fmt: skip


@pytest.mark.parametrize("answered", ["container", "contained"])
async def test_who_does_not_see_the_container_does_not_see_what_is_in_it(
    mixtures: Call, answered: str
) -> None:
    query = f"_contained=true&_containedType={answered}&code=ointment"

    assert len((await searched(mixtures, "Medication", query)).rows) == 2
    for blind in (
        seeing_only(mixtures, "bob"),
        seeing_types(mixtures, "Medication"),
        seeing_types(mixtures, "MedicationRequest"),
    ):
        hidden = await searched(blind, "Medication", f"{query}&_total=accurate")
        assert (hidden.rows, hidden.total) == ((), 0)
    own = seeing_only(mixtures, "ada")
    assert len((await searched(own, "Medication", query)).rows) == 2


async def test_a_chain_out_of_a_contained_resource_ends_at_what_is_hidden(mixtures: Call) -> None:
    query = "_contained=true&manufacturer.name=acme"
    blind = seeing_types(mixtures, "Medication", "MedicationRequest")

    assert len((await searched(mixtures, "Medication", query)).rows) == 2
    assert ids(await searched(blind, "Medication", query)) == set()


async def test_a_container_that_is_gone_or_changed_is_not_found_by_what_it_had(
    mixtures: Call,
) -> None:
    await put(mixtures, a_request("both", "Medication/tablet"))
    await delete(mixtures, Key("MedicationRequest", "other"))

    assert ids(await searched(mixtures, "Medication", "_contained=true")) == {"mixed"}


async def test_what_is_contained_in_a_compartment_is_found_there(call: Call) -> None:
    inner = an_observation("Patient/ada", id="o")
    report = {
        "resourceType": "DiagnosticReport",
        "id": "report",
        "status": "final",
        "code": coded("x"),
        "contained": [inner],
        "result": [{"reference": "#o"}],
    }
    await put(call, a_patient(resource_id="ada"))
    await put(call, report)
    pairs = [("_contained", "true")]

    hers = await search(call, "Observation", pairs, after=None, now=0, owner=Key("Patient", "ada"))
    his = await search(call, "Observation", pairs, after=None, now=0, owner=Key("Patient", "bob"))

    assert (ids(hers), ids(his)) == ({"report"}, set())
