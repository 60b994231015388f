"""Members as FHIR resources: an Endpoint, its Organization by ODS code, the HealthcareService behind it. Pure.

https://hl7.org/fhir/R4/endpoint.html. What is private to the hub (limits, credentials) is no part of them.
"""

from __future__ import annotations

import msgspec

from fhir_server.federation.members import Member
from fhir_server.fhir.resource import Key, Resource

ODS = "https://fhir.nhs.uk/Id/ods-organization-code"
"""The system of ODS codes: https://simplifier.net/guide/uk-core-implementation-guide."""

REGISTRATION = "https://example.org/fdp/Id/member-registration"
"""The system of the identifier by which an Endpoint names the settings that belong to it."""

_CONNECTION = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
_PAYLOAD = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"
_ORGANISATION = "urn:uuid:6f6df3ab-5a86-4f1c-9d1f-54d7b5f9f6a1"
"""Stands for the Organization within the transaction that writes all of them."""

ENDED = frozenset({"off", "entered-in-error"})
"""Statuses of an Endpoint that is no longer to be used: https://hl7.org/fhir/R4/valueset-endpoint-status.html."""


class _Identifier(msgspec.Struct):
    system: str = ""
    value: str = ""


class Endpoint(msgspec.Struct):
    """What counts of an Endpoint."""

    id: str
    status: str
    address: str
    name: str | None = None
    identifier: list[_Identifier] = []

    @property
    def registration(self) -> str | None:
        """Which settings belong to it; None for an Endpoint that is no member."""
        return next((each.value for each in self.identifier if each.system == REGISTRATION), None)


_endpoint = msgspec.json.Decoder(Endpoint).decode


def read_endpoint(body: bytes) -> Endpoint:
    """Return what counts of a stored Endpoint."""
    return _endpoint(body)


def endpoint_key(member: str) -> Key:
    """Return where a member's Endpoint is kept."""
    return Key("Endpoint", member)


def enrolling_bundle(member: Member, registration: str, service: str | None) -> Resource:
    """Return the transaction that writes a member's resources: all of them, or none.

    An Organization that the store has with this ODS code is left as it is. `service` names a HealthcareService.
    """
    entries = [_put(_endpoint_of(member, registration))]
    if member.ods is not None:
        entries.append(_organisation(member, member.ods))
    if service is not None:
        entries.append(_put(_service(member, service)))
    return _transaction(entries)


def removing_bundle(member: str) -> Resource:
    """Return the transaction that takes a member's resources out; its Organization stays."""
    urls = [str(endpoint_key(member)), f"HealthcareService/{member}"]
    return _transaction([{"request": {"method": "DELETE", "url": each}} for each in urls])


def _endpoint_of(member: Member, registration: str) -> Resource:
    coding = {"system": _CONNECTION, "code": "hl7-fhir-rest"}
    return {
        "resourceType": "Endpoint",
        "id": member.id,
        "identifier": [{"system": REGISTRATION, "value": registration}],
        "status": "active",
        "connectionType": coding,
        "name": member.name,
        **({} if member.ods is None else {"managingOrganization": _owner(member.ods)}),
        "payloadType": [{"coding": [{"system": _PAYLOAD, "code": "any"}]}],
        "payloadMimeType": ["application/fhir+json"],
        "address": member.base,
    }


def _owner(ods: str) -> Resource:
    return {"reference": _ORGANISATION, "identifier": {"system": ODS, "value": ods}}


def _organisation(member: Member, ods: str) -> Resource:
    resource = {
        "resourceType": "Organization",
        "identifier": [{"system": ODS, "value": ods}],
        "active": True,
        "name": member.name,
    }
    request = {
        "method": "POST",
        "url": "Organization",
        "ifNoneExist": f"identifier={ODS}|{ods}",
    }
    return {"fullUrl": _ORGANISATION, "resource": resource, "request": request}


def _service(member: Member, name: str) -> Resource:
    owner = {} if member.ods is None else {"providedBy": _owner(member.ods)}
    return {
        "resourceType": "HealthcareService",
        "id": member.id,
        "active": True,
        **owner,
        "name": name,
        "endpoint": [{"reference": str(endpoint_key(member.id))}],
    }


def _put(resource: Resource) -> Resource:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url}}


def _transaction(entries: list[Resource]) -> Resource:
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
