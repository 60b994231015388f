"""From what a client sent to what the store writes: checked, indexed, and cut into its members.

The server owns id, versionId and lastUpdated: https://hl7.org/fhir/R4/resource.html#Meta.
"""

from __future__ import annotations

from typing import Any, Protocol

from fhir_server.conformance.validation import Validator
from fhir_server.fhir.errors import BadRequest, Forbidden, InvalidResource
from fhir_server.fhir.json import members
from fhir_server.fhir.resource import Key, Resource
from fhir_server.policy.consents import read_consent
from fhir_server.policy.decision import LaidDown
from fhir_server.policy.visibility import Visibility
from fhir_server.search import custom
from fhir_server.search.indexing import Extractor
from fhir_server.search.record import IndexRecord
from fhir_server.storage.contract import Draft

_OWNED_BY_SERVER = frozenset({"versionId", "lastUpdated", "_versionId", "_lastUpdated"})
_WRITTEN_APART = frozenset({"resourceType", "id", "meta"})


class Checks(Protocol):
    """What a draft is made with: a Call, or what a loading process has."""

    @property
    def validator(self) -> Validator:
        """What judges the structure."""
        ...

    @property
    def extractor(self) -> Extractor:
        """What makes the index record."""
        ...

    @property
    def sight(self) -> Visibility:
        """What the writer may see, and so write."""
        ...


def prepare(call: Checks, resource: Resource, key: Key) -> Draft:
    """Return the draft of a resource at this address; raise BadRequest, InvalidResource or Forbidden."""
    own = addressed(resource, key)
    check_valid(call, own)
    return drafted(call, own, key)


def addressed(resource: Resource, key: Key) -> Resource:
    """Return a resource with the identity that the server gives it; raise BadRequest where it is of another type."""
    _check_resource_type(resource, key)
    return _with_own_identity(resource, key)


def check_valid(call: Checks, own: Resource) -> None:
    """Raise InvalidResource for a resource that breaks a rule of R4."""
    issues = call.validator.validate(own)
    if any(each.severity == "error" for each in issues):
        raise InvalidResource(issues)


def drafted(call: Checks, own: Resource, key: Key) -> Draft:
    """Return the draft of a resource that is addressed and judged; raise BadRequest or Forbidden."""
    if key.type == "SearchParameter":
        custom.check(own, call.extractor.definitions)
    record = call.extractor.extract(own)
    _check_permitted(call.sight, key, record)
    meta = own.get("meta", {})
    rest = {name: value for name, value in own.items() if name not in _WRITTEN_APART}
    generation = call.extractor.generation
    return Draft(
        key, members(meta), members(rest), record, generation, laid_down(own, call.extractor)
    )


def laid_down(resource: Resource, extractor: Extractor) -> LaidDown | None:
    """Return what a Consent lays down; None of other types, and where that is nothing."""
    if resource["resourceType"] != "Consent":
        return None
    read = read_consent(resource, zone=extractor.zone, base_url=extractor.base_url)
    if read.person is None or not read.provisions:
        return None
    return LaidDown(read.person.removeprefix("Patient/"), tuple(read.provisions))


def check_same_id(resource: Resource, key: Key) -> None:
    """Raise BadRequest unless the body says the id of its address."""
    if resource.get("id") != key.id:
        said = f"the id {resource['id']!r}" if "id" in resource else "no id"
        raise BadRequest(
            f"an update of {key} needs the same id in its body, which has {said}",
            expression=f"{key.type}.id",
        )


def _check_resource_type(resource: Resource, key: Key) -> None:
    if resource.get("resourceType") != key.type:
        raise BadRequest(
            f"the address asks for the type {key.type}, the body's resourceType is "
            f"{resource.get('resourceType')!r}",
            expression="resourceType",
        )


def _with_own_identity(resource: Resource, key: Key) -> Resource:
    own = resource | {"id": key.id}
    meta = resource.get("meta")
    if isinstance(meta, dict) and not _OWNED_BY_SERVER.isdisjoint(meta):
        kept: dict[str, Any] = {k: v for k, v in meta.items() if k not in _OWNED_BY_SERVER}
        own["meta"] = kept
        if not kept:
            del own["meta"]
    return own


def _check_permitted(sight: Visibility, key: Key, record: IndexRecord) -> None:
    """Refuse what the caller could not see once it is written."""
    if not sight.permits_type(key.type):
        raise Forbidden(f"this caller may not write resources of the type {key.type}")
    patient = sight.patient_of(key.type)
    if patient is not None and patient not in record.compartments:
        raise Forbidden(
            f"this caller may write in the compartment of Patient/{patient} alone, "
            f"and this {key.type} does not belong to it"
        )
    if not sight.sees(key.type, record):
        raise Forbidden(
            f"this caller's scopes reach a part of the resources of the type {key.type}, and this is none of them"
        )
