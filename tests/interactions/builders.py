"""Resources and Bundles with sensible defaults, and callers who see less."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import msgspec

from fhir_server.fhir.resource import Key, Resource, Stored
from fhir_server.interactions.call import Call
from fhir_server.interactions.create import create
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.update import update

BASE_URL = "https://node.example.org/fhir"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ADA = Key("Patient", "ada")


def a_patient(
    *,
    resource_id: str | None = None,
    number: str | None = None,
    family: str = "Lovelace",
    **more: Any,
) -> Resource:
    """Return a Patient; `number` is its NHS number."""
    patient: Resource = {"resourceType": "Patient", "name": [{"family": family}]}
    if resource_id is not None:
        patient["id"] = resource_id
    if number is not None:
        patient["identifier"] = [{"system": NHS_NUMBER, "value": number}]
    return patient | more


def an_observation(subject: str | None = "Patient/ada", **more: Any) -> Resource:
    """Return a heart rate of this subject."""
    observation: Resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
    }
    if subject is not None:
        observation["subject"] = {"reference": subject}
    return observation | more


def an_entry(
    method: str,
    url: str,
    resource: Resource | None = None,
    *,
    full_url: str | None = None,
    **request: str,
) -> Resource:
    """Return an entry of a transaction."""
    entry: Resource = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        entry["resource"] = resource
    if full_url is not None:
        entry["fullUrl"] = full_url
    return entry


def a_transaction(*entries: Resource) -> Resource:
    """Return a transaction Bundle."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def a_json_patch(operations: Any) -> Resource:
    """Return the Binary that carries a JSON Patch in a transaction."""
    data = b64encode(msgspec.json.encode(operations)).decode()
    return {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": data,
    }


def body(stored: Stored | None) -> Resource:
    """Return a stored version, parsed."""
    assert stored is not None
    assert stored.body is not None
    parsed: Resource = msgspec.json.decode(stored.body)
    return parsed


async def put(call: Call, resource: Resource) -> Saved:
    """Write a resource at the address that it names."""
    return await update(call, Key(resource["resourceType"], resource["id"]), resource)


async def post(call: Call, resource: Resource) -> Saved:
    """Write a new resource."""
    return await create(call, resource["resourceType"], resource)


def seeing_only(call: Call, patient: str) -> Call:
    """Return the call of someone who sees one patient's compartment."""
    return replace(call, sight=call.sight.of_patient(patient))


def seeing_types(call: Call, *types: str) -> Call:
    """Return the call of someone who sees some types."""
    return replace(call, sight=call.sight.of_types(frozenset(types)))
