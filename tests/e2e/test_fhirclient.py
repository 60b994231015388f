"""fhirclient, the SMART client for Python, which parses each answer strictly: https://github.com/smart-on-fhir/client-py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.humanname import HumanName
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException, FHIRServer

from tests.support.nodes import Node


@pytest.fixture
def server(node: Node) -> Iterator[FHIRServer]:
    client = FHIRClient(settings={"app_id": "tests", "api_base": node.url})
    client.prepare()
    yield client.server
    client.server.session.close()


def a_patient(server: FHIRServer, family: str) -> Patient:
    name = HumanName({"family": family, "given": ["Ada"]})
    patient = Patient({"resourceType": "Patient", "name": [name.as_json()]})
    return Patient(patient.create(server))


def test_what_nobody_created_is_not_found(server: FHIRServer) -> None:
    with pytest.raises(FHIRNotFoundException):
        Patient.read("nobody", server)


def test_what_was_deleted_is_gone(server: FHIRServer) -> None:
    patient = a_patient(server, "Fhirclient-Gone")
    patient.delete(server)

    with pytest.raises(requests.HTTPError) as refused:
        Patient.read(patient.id, server)

    assert refused.value.response is not None
    assert refused.value.response.status_code == 410


def test_the_capability_statement_is_valid_and_open(server: FHIRServer) -> None:
    """The client parses it with its models, and refuses elements that they do not know."""
    statement = server.capabilityStatement

    assert statement.fhirVersion == "4.0.1"
    assert {"Patient", "Slot"} <= {each.type for each in statement.rest[0].resource}
    assert server.ready


def test_a_resource_is_created_read_and_updated(server: FHIRServer) -> None:
    created = a_patient(server, "Fhirclient-Updated")
    created.gender = "female"
    created.update(server)

    read = Patient.read(created.id, server)

    assert read.gender == "female"
    assert read.meta.versionId == "2"


def test_a_search_is_read_page_by_page(server: FHIRServer) -> None:
    patients = [a_patient(server, "Fhirclient-Paged") for _ in range(5)]

    search = Patient.where({"family": "Fhirclient-Paged", "_count": "2"})
    found = list(search.perform_resources_iter(server))

    assert {each.id for each in found} == {each.id for each in patients}
    assert len(found) == 5


def test_an_included_resource_comes_with_its_match(server: FHIRServer) -> None:
    patient = a_patient(server, "Fhirclient-Included")
    Observation(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "pulse"},
            "subject": {"reference": f"Patient/{patient.id}"},
        }
    ).create(server)

    search = Observation.where({"subject": f"Patient/{patient.id}"}).include("subject")
    (bundle,) = search.perform_iter(server)

    assert isinstance(bundle, Bundle)
    assert [each.search.mode for each in bundle.entry] == ["match", "include"]
    assert bundle.entry[1].resource.id == patient.id


def test_a_transaction_is_answered_entry_by_entry(server: FHIRServer) -> None:
    request = {"method": "PUT", "url": "Patient/fhirclient-transaction"}
    resource = {"resourceType": "Patient", "id": "fhirclient-transaction", "active": True}
    bundle = Bundle(
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": resource, "request": request}],
        }
    )

    answer = Bundle(server.post_json("", bundle.as_json()).json())

    assert [each.response.status[:3] for each in answer.entry] == ["201"]
    assert Patient.read("fhirclient-transaction", server).active is True
