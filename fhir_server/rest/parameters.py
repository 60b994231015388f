"""The parameters of an operation: in the URL, or as a Parameters resource in the body.

https://hl7.org/fhir/R4/operations.html#executing
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fhir_server.fhir.errors import BadRequest, InvalidResource
from fhir_server.fhir.resource import Resource
from fhir_server.rest.bodies import resource_of
from fhir_server.rest.content import Given
from fhir_server.rest.request import Pairs, Request
from fhir_server.rest.service import Service
from fhir_server.search.parameter_types.criterion import escape


async def parameters_of(service: Service, request: Request) -> Pairs:
    """Return the parameters as names and values; raise BadRequest for one that has no simple value."""
    if request.method != "POST" or await _is_empty(request):
        return request.pairs
    resource = await resource_of(request, service.definitions)
    if resource["resourceType"] != "Parameters":
        raise BadRequest(
            f"An operation takes a Parameters resource, not a {resource['resourceType']}.",
            expression="resourceType",
        )
    issues = service.validator.validate(resource)
    if any(each.severity == "error" for each in issues):
        raise InvalidResource(issues)
    given = enumerate(resource.get("parameter", ()))
    pairs = tuple((each["name"], _text(number, each)) for number, each in given)
    request.sent = urlencode(pairs)
    return (*request.pairs, *pairs)


async def _is_empty(request: Request) -> bool:
    if isinstance(request.content, Given):
        return request.content.resource is None
    return not request.header(b"content-type") and not await request.read()


def _text(number: int, parameter: Resource) -> str:
    """Return a value as it would be written in a URL."""
    values = [_written(name, value) for name, value in parameter.items() if name[:5] == "value"]
    text = values[0] if values else None
    if text is None:
        raise BadRequest(
            f"The parameter {parameter['name']} has no value that could be written in a URL.",
            expression=f"Parameters.parameter[{number}]",
        )
    return text


def _written(name: str, value: Any) -> str | None:
    match name, value:
        case _, bool():
            return "true" if value else "false"
        case "valueReference", {"reference": str(reference)}:
            return reference
        case "valueCoding", {"code": str(code)}:
            return f"{escape(value.get('system', ''))}|{escape(code)}"
        case _, dict():
            return None
        case _:
            return str(value)
