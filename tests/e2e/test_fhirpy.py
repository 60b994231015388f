"""fhirpy, a Python client: https://github.com/beda-software/fhir-py."""

from __future__ import annotations

from typing import Any

import pytest
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

from tests.support.nodes import Node

JSON_PATCH = {"Content-Type": "application/json-patch+json"}


@pytest.fixture
def client(node: Node) -> SyncFHIRClient:
    return SyncFHIRClient(node.url)


@pytest.fixture
def async_client(node: Node) -> AsyncFHIRClient:
    return AsyncFHIRClient(node.url)


def a_patient(family: str, **elements: Any) -> dict[str, Any]:
    return {"name": [{"family": family, "given": ["Ada"]}], "gender": "female", **elements}


def test_a_merge_of_elements_is_no_patch_of_fhir(client: SyncFHIRClient) -> None:
    """The client's own patch sends some elements as JSON, which R4 does not know."""
    patient = client.resource("Patient", **a_patient("Fhirpy-Merge"))
    patient.save()

    with pytest.raises(OperationOutcome) as refused:
        patient.patch(gender="male")

    assert "application/json-patch+json" in str(refused.value)


def test_a_create_with_criteria_in_its_url_is_refused(client: SyncFHIRClient) -> None:
    """The client's get_or_create; to leave out the criteria would create a duplicate each time."""
    patients = client.resources("Patient").search(family="Fhirpy-Or-Create")

    with pytest.raises(OperationOutcome) as refused:
        patients.get_or_create(client.resource("Patient", **a_patient("Fhirpy-Or-Create")))

    assert "If-None-Exist" in str(refused.value)
    assert patients.fetch() == []


def test_a_parameter_of_another_servers_own_is_refused_unless_leniently(node: Node) -> None:
    """The client counts with a parameter that only one server has."""
    lenient = SyncFHIRClient(node.url, extra_headers={"Prefer": "handling=lenient"})
    lenient.resource("Patient", **a_patient("Fhirpy-Counted")).save()

    with pytest.raises(OperationOutcome) as refused:
        SyncFHIRClient(node.url).resources("Patient").search(family="Fhirpy-Counted").count()

    assert "handling=lenient" in str(refused.value)
    assert lenient.resources("Patient").search(family="Fhirpy-Counted").count() == 1


def test_an_invalid_resource_is_refused_with_an_outcome(client: SyncFHIRClient) -> None:
    patient = client.resource("Patient", gender="unheard-of")

    with pytest.raises(OperationOutcome) as refused:
        patient.save()

    assert "gender" in str(refused.value)


def test_what_was_deleted_is_not_found(client: SyncFHIRClient) -> None:
    patient = client.resource("Patient", **a_patient("Fhirpy-Gone"))
    patient.save()
    client.delete("Patient", patient.id)

    with pytest.raises(ResourceNotFound):
        client.get("Patient", patient.id)


def test_a_resource_is_created_read_and_updated(client: SyncFHIRClient) -> None:
    patient = client.resource("Patient", **a_patient("Fhirpy-Updated"))
    patient.save()
    patient["birthDate"] = "1815-12-10"
    patient.save()

    read = client.reference("Patient", patient.id).to_resource()

    assert read["birthDate"] == "1815-12-10"
    assert read["meta"]["versionId"] == "2"


def test_an_unchanged_resource_is_not_sent_again(client: SyncFHIRClient) -> None:
    """The client asks with the bare version id as If-None-Match."""
    patient = client.resource("Patient", **a_patient("Fhirpy-Refreshed"))
    patient.save()

    patient.refresh()

    assert patient["name"][0]["family"] == "Fhirpy-Refreshed"


def test_a_search_returns_all_pages(client: SyncFHIRClient) -> None:
    for number in range(7):
        client.resource("Patient", **a_patient("Fhirpy-Paged", active=number % 2 == 0)).save()
    patients = client.resources("Patient").search(family="Fhirpy-Paged")

    found = patients.limit(3).fetch_all()
    active = patients.search(active="true").sort("_id").fetch()

    assert len({each.id for each in found}) == len(found) == 7
    assert len(active) == 4


def test_references_are_followed_and_included(client: SyncFHIRClient) -> None:
    patient = client.resource("Patient", **a_patient("Fhirpy-Referenced"))
    patient.save()
    observation = client.resource(
        "Observation", status="final", code={"text": "pulse"}, subject=patient.to_reference()
    )
    observation.save()

    found = client.resources("Observation").search(subject=patient.to_reference())
    bundle = found.include("Observation", "subject").fetch_raw()

    assert [each.resource.resource_type for each in bundle.entry] == ["Observation", "Patient"]
    assert found.get()["subject"].to_resource()["id"] == patient.id


def test_an_update_by_search_creates_and_then_updates(client: SyncFHIRClient) -> None:
    mark = {"system": "urn:fhirpy", "value": "conditional"}
    patients = client.resources("Patient").search(identifier="urn:fhirpy|conditional")

    first, created = patients.update(
        client.resource("Patient", **a_patient("Fhirpy-First", identifier=[mark]))
    )
    second, created_again = patients.update(
        client.resource("Patient", **a_patient("Fhirpy-Second", identifier=[mark]))
    )

    assert (created, created_again) == (True, False)
    assert first.id == second.id
    assert patients.get()["name"][0]["family"] == "Fhirpy-Second"


def test_a_json_patch_and_the_history_it_leaves(node: Node, client: SyncFHIRClient) -> None:
    patient = client.resource("Patient", **a_patient("Fhirpy-Patched"))
    patient.save()
    patching = SyncFHIRClient(node.url, extra_headers=JSON_PATCH)
    change: Any = [{"op": "replace", "path": "/gender", "value": "other"}]

    patched = patching.execute(f"Patient/{patient.id}", method="patch", data=change)
    history = client.execute(f"Patient/{patient.id}/_history", method="get")

    assert patched["gender"] == "other"
    assert [each["resource"]["gender"] for each in history["entry"]] == ["other", "female"]


def test_a_transaction_links_its_entries(client: SyncFHIRClient) -> None:
    urn = "urn:uuid:0c4bbd4c-6c2a-4b6b-9b8d-8d5b0c6f0a01"
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "pulse"},
        "subject": {"reference": urn},
    }
    entries = [
        {
            "fullUrl": urn,
            "resource": {"resourceType": "Patient", **a_patient("Fhirpy-Transaction")},
            "request": {"method": "POST", "url": "Patient"},
        },
        {"resource": observation, "request": {"method": "POST", "url": "Observation"}},
    ]

    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = client.execute("", data=bundle)

    assert [each["response"]["status"][:3] for each in answer["entry"]] == ["201", "201"]
    patient = client.resources("Patient").search(family="Fhirpy-Transaction").get()
    found = client.resources("Observation").search(subject=patient.to_reference())
    assert found.get()["code"]["text"] == "pulse"


async def test_the_async_client_does_the_same(async_client: AsyncFHIRClient) -> None:
    patient = async_client.resource("Patient", **a_patient("Fhirpy-Async"))
    await patient.save()
    patient["active"] = True
    await patient.save()

    found = await async_client.resources("Patient").search(family="Fhirpy-Async").fetch_all()
    await async_client.delete("Patient", patient.id)

    assert [(each.id, each["active"]) for each in found] == [(patient.id, True)]
    with pytest.raises(ResourceNotFound):
        await patient.to_reference().to_resource()


async def test_the_async_client_pages_through_a_search(async_client: AsyncFHIRClient) -> None:
    for _ in range(5):
        await async_client.resource("Patient", **a_patient("Fhirpy-Stream")).save()

    patients = async_client.resources("Patient").search(family="Fhirpy-Stream").limit(2)
    found = [each.id async for each in patients]

    assert len(set(found)) == len(found) == 5
