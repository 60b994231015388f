"""The operations of a FHIRPath Patch, read from their Parameters: https://hl7.org/fhir/R4/fhirpatch.html."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.resource import Resource


@dataclass(frozen=True, slots=True)
class Typed:
    """A value with the name of its type as in `valueCodeableConcept`, and its id and extensions."""

    type: str
    value: Any
    element: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Parts:
    """A value given element by element: that of a backbone, which has no type of its own."""

    parts: tuple[tuple[str, Given], ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """A resource as a value: for `contained` and `Bundle.entry.resource`."""

    resource: Resource


Given: TypeAlias = Typed | Parts | Whole


@dataclass(frozen=True, slots=True)
class Add:
    """Append to a list, or set what is absent."""

    path: str
    name: str
    value: Given


@dataclass(frozen=True, slots=True)
class Insert:
    """Put into a list at an index."""

    path: str
    index: int
    value: Given


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove one element, if it is there."""

    path: str


@dataclass(frozen=True, slots=True)
class Replace:
    """Put another value in the place of one element."""

    path: str
    value: Given


@dataclass(frozen=True, slots=True)
class Move:
    """Change the order of a list."""

    path: str
    source: int
    destination: int


Operation: TypeAlias = Add | Insert | Delete | Replace | Move

DEEPEST_PARTS = 32


def read_operations(parameters: Resource) -> Iterator[Operation]:
    """Yield the operations; raise BadRequest for what is none."""
    if parameters.get("resourceType") != "Parameters":
        raise BadRequest(
            f"a FHIRPath Patch is a Parameters resource, not {parameters.get('resourceType')!r}"
        )
    for index, parameter in enumerate(_objects(parameters.get("parameter", []), "parameter")):
        if parameter.get("name") != "operation":
            raise BadRequest(
                f"parameter {index} is named {parameter.get('name')!r}: "
                "those of a FHIRPath Patch are named 'operation'"
            )
        try:
            yield _operation(_parts_by_name(parameter))
        except BadRequest as error:
            raise BadRequest(f"operation {index}: {error}") from error


def _objects(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise BadRequest(f"`{name}` is a list of objects")
    return value


def _parts_by_name(parameter: dict[str, Any]) -> Mapping[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for part in _objects(parameter.get("part", []), "part"):
        name = part.get("name")
        if not isinstance(name, str) or name in found:
            raise BadRequest(f"each part has one name; {name!r} is missing or there twice")
        found[name] = part
    return found


def _operation(parts: Mapping[str, dict[str, Any]]) -> Operation:
    kind, path = _text(parts, "type"), _text(parts, "path")
    match kind:
        case "add":
            return Add(path, _text(parts, "name").removesuffix("[x]"), _given(parts))
        case "insert":
            return Insert(path, _integer(parts, "index"), _given(parts))
        case "delete":
            return Delete(path)
        case "replace":
            return Replace(path, _given(parts))
        case "move":
            return Move(path, _integer(parts, "source"), _integer(parts, "destination"))
        case _:
            raise BadRequest(f"{kind!r} is none of add, insert, delete, replace, move")


def _text(parts: Mapping[str, dict[str, Any]], name: str) -> str:
    value = _scalar(parts, name)
    if not isinstance(value, str):
        raise BadRequest(f"the part {name!r} is missing, or no text")
    return value


def _integer(parts: Mapping[str, dict[str, Any]], name: str) -> int:
    value = _scalar(parts, name)
    if type(value) is not int or value < 0:
        raise BadRequest(f"the part {name!r} is missing, or no integer from 0 on")
    return value


def _scalar(parts: Mapping[str, dict[str, Any]], name: str) -> Any:
    part = parts.get(name, {})
    return next((value for key, value in part.items() if key.startswith("value")), None)


def _given(parts: Mapping[str, dict[str, Any]]) -> Given:
    part = parts.get("value")
    if part is None:
        raise BadRequest("the part 'value' is missing")
    return _value(part, depth=0)


def _value(part: dict[str, Any], *, depth: int) -> Given:
    if depth > DEEPEST_PARTS:
        raise BadRequest(f"parts are nested more than {DEEPEST_PARTS} deep")
    names = {key.removeprefix("_") for key in part if key.removeprefix("_").startswith("value")}
    if len(names) + ("part" in part) + ("resource" in part) != 1:
        raise BadRequest(
            f"the part {part.get('name')!r} has either one value[x], parts or a resource"
        )
    if names:
        (name,) = names
        return Typed(name.removeprefix("value"), part.get(name), part.get("_" + name))
    if "resource" in part:
        return Whole(_resource(part["resource"]))
    return Parts(
        tuple(
            (_name_of(each), _value(each, depth=depth + 1))
            for each in _objects(part["part"], "part")
        )
    )


def _resource(value: Any) -> Resource:
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise BadRequest("a resource names its type")
    return value


def _name_of(part: dict[str, Any]) -> str:
    name = part.get("name")
    if not isinstance(name, str):
        raise BadRequest("each part has a name")
    return name.removesuffix("[x]")
