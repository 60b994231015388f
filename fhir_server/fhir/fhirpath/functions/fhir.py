"""What FHIR adds to FHIRPath: https://hl7.org/fhir/R4/fhirpath.html#functions; also types and the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from fhir_server.fhir.fhirpath.collecting import TYPE_INFO, collect_resources
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.functions.strings import text
from fhir_server.fhir.fhirpath.navigation import child_step
from fhir_server.fhir.fhirpath.node import NOTHING, Node, Nodes, truth
from fhir_server.fhir.fhirpath.schema import Schema
from fhir_server.fhir.fhirpath.scope import Apply, Compiling, Function, Scope, of_values
from fhir_server.fhir.fhirpath.syntax import Expression
from fhir_server.fhir.fhirpath.system import bare
from fhir_server.fhir.fhirpath.temporal import Temporal


def _extension(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    step = child_step(compiling.schema, "extension")
    url_of = compiling.compile(arguments[0])

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        extensions = step(nodes)
        url = text(url_of(scope), "extension()") if extensions else None
        return [] if url is None else [each for each in extensions if each.value.get("url") == url]

    return apply


def _has_extension(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    find = _extension(compiling, arguments)
    return lambda nodes, scope: truth(bool(find(nodes, scope)))


def _has_value(nodes: Nodes) -> Nodes:
    return truth(len(nodes) == 1 and _is_value(nodes[0]))


def _get_value(nodes: Nodes) -> Nodes:
    return [bare(nodes[0])] if len(nodes) == 1 and _is_value(nodes[0]) else NOTHING


def _is_value(node: Node) -> bool:
    return node.value is not None and not isinstance(node.value, dict)


def _resolve(compiling: Compiling, _: tuple[Expression, ...]) -> Apply:
    resolver, schema = compiling.environment.resolve, compiling.schema

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        found: Nodes = []
        for node in nodes:
            resolved = resolver(node) if resolver else _known_of(schema, node, scope.world.resource)
            if resolved is not None:
                found.append(resolved)
        return found

    return apply


def _known_of(schema: Schema, node: Node, root: Node) -> Node | None:
    """Return the contained resource, or a node without a value that knows the type."""
    value = node.value
    reference, declared = value, None
    if isinstance(value, dict):
        reference, declared = value.get("reference"), value.get("type")
    if isinstance(reference, str):
        if reference.startswith("#"):
            return _contained(schema, reference, root)
        # `Patient/1`, `https://other.example/fhir/Patient/1/_history/2`
        before = reference.partition("/_history/")[0].rpartition("/")[0]
        declared = before.rpartition("/")[2] or declared
    if isinstance(declared, str) and declared[:1].isupper() and schema.knows(declared):
        return Node(declared, None)
    return None


def _contained(schema: Schema, reference: str, root: Node) -> Node | None:
    if reference == "#":
        return root
    contained: Nodes = []
    collect_resources(schema, "contained")(root, contained)
    return next((each for each in contained if each.value.get("id") == reference[1:]), None)


def _type(nodes: Nodes) -> Nodes:
    found: Nodes = []
    for node in nodes:
        system = node.type.startswith("System.")
        described = {
            "namespace": "System" if system else "FHIR",
            "name": node.type.removeprefix("System."),
        }
        found.append(Node(TYPE_INFO, described))
    return found


def _moment(scope: Scope) -> datetime:
    world = scope.world
    if world.moment is None:
        if world.environment.now is None:
            raise FhirPathError(
                "now(), today() and timeOfDay() need a clock, which is not given here"
            )
        world.moment = world.environment.now()
    return world.moment


def _now(scope: Scope) -> Temporal | None:
    moment = _moment(scope)
    return Temporal.parse("DateTime", moment.isoformat(timespec="milliseconds"))


def _today(scope: Scope) -> Temporal | None:
    return Temporal.parse("Date", _moment(scope).date().isoformat())


def _time_of_day(scope: Scope) -> Temporal | None:
    return Temporal.parse("Time", "T" + _moment(scope).time().isoformat(timespec="milliseconds"))


def _clock(read: str) -> Function:
    reading = {"DateTime": _now, "Date": _today, "Time": _time_of_day}[read]

    def build(_: Compiling, __: tuple[Expression, ...]) -> Apply:
        return lambda _, scope: [Node(f"System.{read}", reading(scope))]

    return Function(0, 0, build)


def _unsupported(name: str, reason: str) -> Function:
    def build(_: Compiling, __: tuple[Expression, ...]) -> Apply:
        raise FhirPathError(f"{name}() is not supported: {reason}")

    return Function(0, 2, build)


_NO_TERMINOLOGY = "a path is evaluated without a terminology service"

FUNCTIONS: Mapping[str, Function] = {
    "extension": Function(1, 1, _extension),
    "hasExtension": Function(1, 1, _has_extension),
    "hasValue": of_values(_has_value),
    "getValue": of_values(_get_value),
    "resolve": Function(0, 0, _resolve),
    "type": of_values(_type),
    "now": _clock("DateTime"),
    "today": _clock("Date"),
    "timeOfDay": _clock("Time"),
    "memberOf": _unsupported("memberOf", _NO_TERMINOLOGY),
    "subsumes": _unsupported("subsumes", _NO_TERMINOLOGY),
    "subsumedBy": _unsupported("subsumedBy", _NO_TERMINOLOGY),
    "conformsTo": _unsupported("conformsTo", "a path is evaluated without a validator"),
    "htmlChecks": _unsupported("htmlChecks", "a path is evaluated without a validator"),
}
