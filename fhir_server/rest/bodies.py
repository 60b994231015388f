"""What the body of a request says, by its Content-Type."""

from __future__ import annotations

from base64 import b64decode

from fhir_server.fhir.errors import BadRequest, UnsupportedMediaType
from fhir_server.fhir.json import parse, parse_resource
from fhir_server.fhir.resource import Resource
from fhir_server.fhir.structure import TypeSource
from fhir_server.fhir.xml import parse_xml
from fhir_server.interactions.patch import Change, FhirPathPatch, JsonPatch
from fhir_server.rest.binary import binary_of
from fhir_server.rest.content import Given
from fhir_server.rest.negotiation import (
    FORM,
    JSON_PATCH,
    Format,
    content_format,
    is_resource,
    media_type,
)
from fhir_server.rest.request import Pairs, Request, parse_pairs


async def resource_of(request: Request, types: TypeSource) -> Resource:
    """Return the resource in the body; raise BadSyntax or UnsupportedMediaType."""
    if isinstance(request.content, Given):
        return _given(request.content)
    content_type = request.header(b"content-type")
    if request.segments[:1] == ("Binary",) and not is_resource(content_type):
        return await binary_of(request, request.key.id if len(request.segments) > 1 else None)
    match content_format(content_type):
        case Format.JSON:
            return parse_resource(await request.read())
        case Format.XML:
            return parse_xml(await request.read(), types)


async def change_of(request: Request, types: TypeSource) -> Change:
    """Return the patch in the body: JSON Patch, or FHIRPath Patch as Parameters."""
    if isinstance(request.content, Given):
        return _given_change(_given(request.content))
    name = media_type(request.header(b"content-type"))
    if name == JSON_PATCH:
        return JsonPatch(parse(await request.read()))
    if name in {Format.JSON.value, Format.XML.value}:
        return FhirPathPatch(_parameters(await resource_of(request, types)))
    raise UnsupportedMediaType(
        f"A patch is sent as {JSON_PATCH} (RFC 6902), or as a Parameters resource in "
        f"{Format.JSON.value} or {Format.XML.value}; this one is {name or 'of no type'!r}."
    )


async def form_of(request: Request) -> Pairs:
    """Return the parameters of a POST _search."""
    content_type = request.header(b"content-type")
    body = await request.read()
    if not body and not content_type:
        return ()
    if media_type(content_type) != FORM:
        raise UnsupportedMediaType(f"The parameters of a POST _search are sent as {FORM}.")
    try:
        request.sent = body.decode()
        return parse_pairs(request.sent)
    except UnicodeDecodeError as error:
        raise BadRequest("The form is not UTF-8.") from error


def _given(content: Given) -> Resource:
    if content.resource is None:
        raise BadRequest("The entry needs a resource.")
    return content.resource


def _given_change(resource: Resource) -> Change:
    if resource.get("resourceType") != "Binary":
        return FhirPathPatch(_parameters(resource))
    if resource.get("contentType") != JSON_PATCH:
        raise UnsupportedMediaType(f"A Binary that patches has the contentType {JSON_PATCH}.")
    try:
        return JsonPatch(parse(b64decode(str(resource.get("data", "")), validate=True)))
    except ValueError as error:
        raise BadRequest("The data of the Binary that patches is no base64.") from error


def _parameters(resource: Resource) -> Resource:
    if resource.get("resourceType") != "Parameters":
        raise BadRequest(
            f"A FHIRPath Patch is a Parameters resource, not {resource.get('resourceType')!r}.",
            expression="resourceType",
        )
    return resource
