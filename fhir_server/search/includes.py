"""`_include` and `_revinclude`: https://hl7.org/fhir/R4/search.html#include. Pure."""

from __future__ import annotations

from fhir_server.conformance.definitions import Definitions, SearchParameter
from fhir_server.fhir.errors import BadRequest
from fhir_server.search.expression import Include
from fhir_server.search.filtering import known_parameters, nearest

_LONGEST = 3


def parse_include(
    name: str, value: str, resource_type: str | None, definitions: Definitions
) -> Include:
    """Return what `_include=Observation:subject:Patient` asks for; raise BadRequest."""
    iterate = _iterates(name)
    if value == "*":
        return Include("*", "*", iterate=iterate)
    include, _ = _parsed(name, value, definitions)
    if not iterate and resource_type is not None and include.source != resource_type:
        raise BadRequest(
            f"{name}={value}: the matches are of type {resource_type}; what included "
            f"resources refer to is asked for with {name}:iterate"
        )
    return include


def parse_revinclude(
    name: str, value: str, resource_type: str | None, definitions: Definitions
) -> Include:
    """Return what `_revinclude=Provenance:target` asks for; raise BadRequest."""
    iterate = _iterates(name)
    if value == "*":
        return Include("*", "*", iterate=iterate)
    include, parameter = _parsed(name, value, definitions)
    targets = parameter.targets if parameter is not None else ()
    if not iterate and resource_type is not None and targets and resource_type not in targets:
        raise BadRequest(
            f"{name}={value}: {value} refers to {', '.join(targets)}, not to {resource_type}"
        )
    return include


def _iterates(name: str) -> bool:
    _, _, modifier = name.partition(":")
    if modifier not in {"", "iterate"}:
        raise BadRequest(f"{name}: the only modifier is :iterate")
    return modifier == "iterate"


def _parsed(
    name: str, value: str, definitions: Definitions
) -> tuple[Include, SearchParameter | None]:
    asked = f"{name}={value}"
    parts = value.split(":")
    if not 1 < len(parts) <= _LONGEST or not all(parts):
        raise BadRequest(f"{asked}: this is `Type:parameter` or `Type:parameter:Target`")
    source, code, target = parts[0], parts[1], parts[2] if len(parts) == _LONGEST else None
    for each in (source, target):
        if each is not None and each not in definitions.resource_types:
            raise BadRequest(f"{asked}: there is no resource type {each}")
    include = Include(source, code, target, _iterates(name))
    if code == "*":
        return include, None
    known = known_parameters(definitions, source)
    parameter = known.get(code)
    if parameter is None or parameter.type != "reference":
        references = {
            name: each for name, each in known.parameters.items() if each.type == "reference"
        }
        raise BadRequest(
            f"{asked}: {source} has no reference parameter {code!r}{nearest(code, references)}"
        )
    if target is not None and parameter.targets and target not in parameter.targets:
        raise BadRequest(f"{asked}: {code} refers to {', '.join(parameter.targets)}")
    return include, parameter
