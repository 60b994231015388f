"""Binary: content of any type behind a FHIR address: https://hl7.org/fhir/R4/binary.html#rest."""

from __future__ import annotations

from base64 import b64decode, b64encode

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.json import parse
from fhir_server.fhir.resource import Resource, Stored
from fhir_server.rest.answer import Answer
from fhir_server.rest.negotiation import names_fhir
from fhir_server.rest.request import Request

# What someone stored is not to act as a page of this server.
_HARMLESS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
)


def wants_raw(request: Request) -> bool:
    """Tell whether the content is asked for, and not the resource around it."""
    return not request.nested and not names_fhir(
        request.header(b"accept"), request.parameter("_format")
    )


def raw_answer(stored: Stored) -> Answer:
    """Return the content of a stored Binary under its own type."""
    resource = parse(stored.body or b"")
    content = b64decode(resource.get("data", ""))
    media_type = resource["contentType"]
    if not media_type.isascii() or not media_type.isprintable():
        media_type = "application/octet-stream"
    return Answer(200, content, stored, headers=_HARMLESS, media_type=media_type)


async def binary_of(request: Request, logical_id: str | None) -> Resource:
    """Return a Binary with the body of the request as its content."""
    content_type = request.header(b"content-type")
    if not content_type:
        raise BadRequest("The content of a Binary needs a Content-Type.")
    resource: Resource = {"resourceType": "Binary", "contentType": content_type}
    if logical_id is not None:
        resource["id"] = logical_id
    context = request.header(b"x-security-context")
    if context:
        resource["securityContext"] = {"reference": context}
    resource["data"] = b64encode(await request.read()).decode()
    return resource
