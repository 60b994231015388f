"""One ward for all attacks that change nothing: Bob denies administration, and opted out; Ada did neither."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.policy.personal import NHS_NUMBER
from tests.rest.access import Guarded, guarded

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
LABELS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ADMINISTRATION = "PATADMIN"
"""The purpose that Bob denies: one for which resources are written as well."""


def to(reference: str) -> dict[str, str]:
    return {"reference": reference}


def a_patient(name: str, number: int, family: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": name,
        "identifier": [{"system": NHS_NUMBER, "value": nhs_number(number)}],
        "name": [{"family": family}],
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{family}</div>',
        },
    }


def an_observation(name: str, whose: str, value: int = 5, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"code": "hba1c"}]},
        "subject": to(f"Patient/{whose}"),
        "valueQuantity": {"value": value},
        **more,
    }


def a_consent(name: str, whose: str, purpose: str = ADMINISTRATION, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": name,
        "status": "active",
        "scope": {"coding": [{"system": SCOPES, "code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "policyRule": {"text": "opt-out"},
        "patient": to(f"Patient/{whose}"),
        "provision": {
            "type": "deny",
            "purpose": [{"system": ACT_REASON, "code": purpose}],
            **more,
        },
    }


def a_list(whose: str, *observations: str) -> dict[str, Any]:
    return {
        "resourceType": "List",
        "id": f"{whose}s",
        "status": "current",
        "mode": "working",
        "subject": to(f"Patient/{whose}"),
        "entry": [{"item": to(f"Observation/{each}")} for each in observations],
    }


def a_letter(whose: str) -> dict[str, Any]:
    return {
        "resourceType": "Composition",
        "id": f"{whose}s",
        "status": "final",
        "type": {"text": "letter"},
        "date": "2026-01-01",
        "author": [to(f"Patient/{whose}")],
        "title": "Letter",
        "subject": to(f"Patient/{whose}"),
        "section": [{"entry": [to(f"Observation/{whose}s")]}],
    }


CONTAINED = [{"resourceType": "Medication", "id": "m", "code": {"coding": [{"code": "insulin"}]}}]
RESOURCES: list[dict[str, Any]] = [
    a_patient("ada", 1, "Lovelace"),
    a_patient("bob", 2, "Menabrea"),
    an_observation("adas", "ada", 5),
    an_observation("bobs", "bob", 93),
    an_observation("numbered", "bob", 94)
    | {"subject": {"identifier": {"system": NHS_NUMBER, "value": nhs_number(2)}}},
    an_observation("moved", "bob"),
    an_observation("moved", "ada"),
    an_observation("withdrawn", "ada"),
    an_observation("withdrawn", "bob"),
    an_observation("deleted", "bob"),
    {
        "resourceType": "Group",
        "id": "both",
        "type": "person",
        "actual": True,
        "member": [{"entity": to("Patient/ada")}, {"entity": to("Patient/bob")}],
    },
    a_list("ada", "adas", "bobs"),
    a_list("bob", "bobs"),
    a_letter("bob"),
    {
        "resourceType": "MedicationRequest",
        "id": "bobs",
        "status": "active",
        "intent": "order",
        "contained": CONTAINED,
        "medicationReference": to("#m"),
        "subject": to("Patient/bob"),
    },
    {
        "resourceType": "Binary",
        "id": "bobs",
        "contentType": "text/plain",
        "data": "aGVsbG8=",
        "securityContext": to("Patient/bob"),
    },
    {"resourceType": "Binary", "id": "nobodys", "contentType": "text/plain", "data": "aGVsbG8="},
    a_letter("ada"),
    a_consent("bobs", "bob"),
]


def fill(client: httpx.Client) -> None:
    for each in RESOURCES:
        client.put(f"{each['resourceType']}/{each['id']}", json=each).raise_for_status()
    client.delete("Observation/deleted").raise_for_status()


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Serve Ada and Bob."""
    with guarded(tmp_path_factory.mktemp("leaks") / "fhir.db") as served:
        with served.client() as client:
            fill(client)
        yield served


@pytest.fixture
def own_ward(tmp_path: Path) -> Iterator[Guarded]:
    """Serve Ada and Bob to a test that changes something."""
    with guarded(tmp_path / "fhir.db") as served:
        with served.client() as client:
            fill(client)
        yield served


@pytest.fixture(scope="module")
def clerk(ward: Guarded) -> Iterator[httpx.Client]:
    """Return somebody from whom Bob is hidden, and who may do everything else."""
    with ward.client(purpose=ADMINISTRATION) as client:
        yield client


def total(client: httpx.Client, query: str) -> int:
    return int(client.get(query).raise_for_status().json()["total"])


def names(bundle: dict[str, Any]) -> list[str]:
    return sorted(each["fullUrl"].rpartition("/")[2] for each in bundle.get("entry", ()))


def told(response: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """Return all that an answer tells, but for when, and to which request."""
    kept = {k: v for k, v in response.headers.items() if k not in {"date", "x-request-id"}}
    return response.status_code, response.text, kept
