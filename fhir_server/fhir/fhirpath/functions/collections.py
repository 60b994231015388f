"""Parts of collections, and collections put together: https://hl7.org/fhirpath/N1/#subsetting."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.fhir.fhirpath.distinctness import among, distinct
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.navigation import every_child_step
from fhir_server.fhir.fhirpath.node import Nodes, single
from fhir_server.fhir.fhirpath.scope import Apply, Compiling, Function, Scope, of_values
from fhir_server.fhir.fhirpath.syntax import Expression


def integer(nodes: Nodes, what: str) -> int | None:
    """Return an argument that is an Integer, None if it is empty; else raise FhirPathError."""
    node = single(nodes, what)
    if node is None:
        return None
    if type(node.value) is not int:
        raise FhirPathError(f"{what} takes an Integer, not {node.type}")
    return node.value


def _single(nodes: Nodes) -> Nodes:
    single(nodes, "single()")
    return nodes


def _skip(nodes: Nodes, number: Nodes) -> Nodes:
    return nodes[max(0, integer(number, "skip()") or 0) :]


def _take(nodes: Nodes, number: Nodes) -> Nodes:
    return nodes[: max(0, integer(number, "take()") or 0)]


def _exclude(nodes: Nodes, others: Nodes) -> Nodes:
    is_other = among(others)
    return [each for each in nodes if not is_other(each)]


def _intersect(nodes: Nodes, others: Nodes) -> Nodes:
    return distinct(list(filter(among(others), nodes)))


def _children(compiling: Compiling, _: tuple[Expression, ...]) -> Apply:
    step = every_child_step(compiling.schema)
    return lambda nodes, _: step(nodes)


def _descendants(compiling: Compiling, _: tuple[Expression, ...]) -> Apply:
    step = every_child_step(compiling.schema)

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        found: Nodes = []
        level = step(nodes)
        while level:
            scope.world.spend(len(level))
            found.extend(level)
            level = step(level)
        return found

    return apply


FUNCTIONS: Mapping[str, Function] = {
    "single": of_values(_single),
    "first": of_values(lambda nodes: nodes[:1]),
    "last": of_values(lambda nodes: nodes[-1:]),
    "tail": of_values(lambda nodes: nodes[1:]),
    "skip": of_values(_skip, 1),
    "take": of_values(_take, 1),
    "intersect": of_values(_intersect, 1),
    "exclude": of_values(_exclude, 1),
    "union": of_values(lambda nodes, others: distinct([*nodes, *others]), 1),
    "combine": of_values(lambda nodes, others: [*nodes, *others], 1),
    "children": Function(0, 0, _children),
    "descendants": Function(0, 0, _descendants),
}
