"""Whether there is something, and whether it holds: https://hl7.org/fhirpath/N1/#existence."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.fhir.fhirpath.distinctness import among, distinct
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.node import FALSE, TRUE, Node, Nodes, logical, truth
from fhir_server.fhir.fhirpath.scope import Apply, Compiling, Function, Scope, of_values
from fhir_server.fhir.fhirpath.syntax import Expression


def _exists(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    if not arguments:
        return lambda nodes, _: TRUE if nodes else FALSE
    test = compiling.compile(arguments[0])

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        inner = scope.within(nodes)
        for inner.index, node in enumerate(nodes):
            inner.this = [node]
            if logical(test(inner)):
                return TRUE
        return FALSE

    return apply


def _all(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    test = compiling.compile(arguments[0])

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        inner = scope.within(nodes)
        for inner.index, node in enumerate(nodes):
            inner.this = [node]
            if not logical(test(inner)):
                return FALSE
        return TRUE

    return apply


def _booleans(nodes: Nodes) -> list[bool]:
    for node in nodes:
        if not isinstance(node.value, bool):
            raise FhirPathError(f"Booleans were expected, not {node.type}")
    return [node.value for node in nodes]


def _not(nodes: Nodes) -> Nodes:
    value = logical(nodes, "not()")
    return truth(None if value is None else not value)


def _subset(nodes: Nodes, others: Nodes) -> Nodes:
    return truth(all(map(among(others), nodes)))


FUNCTIONS: Mapping[str, Function] = {
    "empty": of_values(lambda nodes: FALSE if nodes else TRUE),
    "exists": Function(0, 1, _exists),
    "all": Function(1, 1, _all),
    "allTrue": of_values(lambda nodes: truth(all(_booleans(nodes)))),
    "anyTrue": of_values(lambda nodes: truth(any(_booleans(nodes)))),
    "allFalse": of_values(lambda nodes: truth(not any(_booleans(nodes)))),
    "anyFalse": of_values(lambda nodes: truth(not all(_booleans(nodes)))),
    "not": of_values(_not),
    "subsetOf": of_values(_subset, 1),
    "supersetOf": of_values(lambda nodes, others: _subset(others, nodes), 1),
    "count": of_values(lambda nodes: [Node("System.Integer", len(nodes))]),
    "isDistinct": of_values(lambda nodes: truth(len(distinct(nodes)) == len(nodes))),
    "distinct": of_values(distinct),
}
