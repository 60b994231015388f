"""The header X-Provenance: what a write came from, sent along with it.

https://hl7.org/fhir/R4/provenance.html#header
"""

from __future__ import annotations

from fhir_server.conformance.validation import Validator
from fhir_server.fhir.errors import BadRequest, BadSyntax
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import Resource
from fhir_server.rest.request import Request

HEADER = b"x-provenance"


def provenance_of(request: Request, validator: Validator) -> Resource | None:
    """Return the Provenance that was sent along, all but its target; raise BadRequest for what is none."""
    text = request.headers.get(HEADER)
    if text is None:
        return None
    try:
        resource = parse_resource(text)
    except BadSyntax as error:
        raise BadRequest(f"X-Provenance: {error}") from error
    if resource["resourceType"] != "Provenance":
        raise BadRequest(f"X-Provenance: this is a {resource['resourceType'][:64]}, no Provenance")
    if "target" in resource:
        raise BadRequest(
            "X-Provenance: its target is what is written, and filled in here; leave it out",
            expression="Provenance.target",
        )
    _check(resource, validator)
    return resource


def _check(resource: Resource, validator: Validator) -> None:
    """Raise BadRequest for a Provenance that would be invalid with a target."""
    for each in validator.validate(resource | {"target": [{"reference": "Basic/any"}]}):
        if each.severity == "error":
            place = each.expression or "Provenance"
            raise BadRequest(f"X-Provenance: {place}: {each.diagnostics}", expression=place)
