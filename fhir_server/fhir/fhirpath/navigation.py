"""The steps of a path: from elements to their children, one look-up in a dict per element.

What a step needs to know of a type is made when it first meets the type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fhir_server.fhir.fhirpath.collecting import Collect, collector
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.node import Evaluate, Node, Nodes
from fhir_server.fhir.fhirpath.schema import Schema

Step: TypeAlias = Callable[[Nodes], Nodes]


def child_step(schema: Schema, name: str, *, strict: bool = False) -> Step:
    """Return the step to the children of a name.

    A strict step raises FhirPathError where none of the items' types has such an element.
    """
    known: dict[str, Collect] = {}

    def step(nodes: Nodes) -> Nodes:
        found: Nodes = []
        for node in nodes:
            collect = known.get(node.type)
            if collect is None:
                collect = known[node.type] = collector(schema, node.type, name)
            collect(node, found)
        return found

    if strict:
        return _strict(schema, name, step)
    return step


def head_step(schema: Schema, name: str, *, strict: bool = False) -> Step:
    """Return the first step of a path, which may name the type of its input: `Patient.name`."""
    child = child_step(schema, name, strict=strict)
    if not name[0].isupper():
        return child

    def step(nodes: Nodes) -> Nodes:
        if len(nodes) == 1 and (nodes[0].type == name or _names_type(schema, name, nodes[0].type)):
            return nodes
        return child(nodes)

    return step


def plain_path(schema: Schema, names: tuple[str, ...]) -> Evaluate:
    """Return the function of a path that only names elements: the commonest, thus without a scope."""
    starts: dict[str, tuple[Collect, list[Step]]] = {}

    def begin(code: str) -> tuple[Collect, list[Step]]:
        rest = names[1:] if _names_type(schema, names[0], code) else names
        if not rest:
            return _collect_itself, []
        return collector(schema, code, rest[0]), [child_step(schema, name) for name in rest[1:]]

    def evaluate(node: Node) -> Nodes:
        start = starts.get(node.type)
        if start is None:
            start = starts[node.type] = begin(node.type)
        collect, steps = start
        nodes: Nodes = []
        collect(node, nodes)
        for step in steps:
            if not nodes:
                break
            nodes = step(nodes)
        return nodes

    return evaluate


def _names_type(schema: Schema, name: str, code: str) -> bool:
    """Tell whether the first name of a path is the type of its input: no element begins with a capital."""
    return name[0].isupper() and name in schema.bases(code)


def _collect_itself(node: Node, found: Nodes) -> None:
    found.append(node)


def every_child_step(schema: Schema) -> Step:
    """Return the step to all children, in the order of the definition."""
    known: dict[str, list[Collect]] = {}

    def step(nodes: Nodes) -> Nodes:
        found: Nodes = []
        for node in nodes:
            collectors = known.get(node.type)
            if collectors is None:
                collectors = known[node.type] = [
                    collector(schema, node.type, name) for name in schema.elements(node.type)
                ]
            for collect in collectors:
                collect(node, found)
        return found

    return step


def _strict(schema: Schema, name: str, step: Step) -> Step:
    def strict_step(nodes: Nodes) -> Nodes:
        found = step(nodes)
        if nodes and not found and not any(name in schema.elements(each.type) for each in nodes):
            types = ", ".join(sorted({each.type for each in nodes}))
            raise FhirPathError(f"{types} has no element {name!r}")
        return found

    return strict_step
