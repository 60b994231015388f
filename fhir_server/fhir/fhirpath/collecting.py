"""From an element to its children of one name: a closure for each way in which JSON writes them.

Lists of primitives are read with their `_x` siblings, contained resources by their own type. What has not the form
of its type (a text where an object belongs) is not there for a path: a node has an object as its value, or a scalar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any, TypeAlias

from fhir_server.fhir.fhirpath.node import Node, Nodes, new_node
from fhir_server.fhir.fhirpath.schema import Schema
from fhir_server.fhir.fhirpath.system import bare
from fhir_server.fhir.structure import Element

Collect: TypeAlias = Callable[[Node, Nodes], None]
"""Append the children of one node to a collection."""

TYPE_INFO = "System.TypeInfo"
"""The type of what `type()` gives: its members are namespace and name."""
RESOURCES = frozenset({"Resource", "DomainResource"})
"""The types of elements that hold a resource of any type."""


def collector(schema: Schema, code: str, name: str) -> Collect:
    """Return what appends the children of that name; it appends nothing if the type has none."""
    if code == TYPE_INFO:
        return _collect_primitives(name, "System.String")
    element = schema.elements(code).get(name)
    if schema.is_primitive(code):
        alternatives = schema.alternatives("Element", element) if element else []
        return _collect_of_primitive(name, alternatives)
    if element is None:
        return _collect_nothing
    alternatives = schema.alternatives(code, element)
    if len(alternatives) > 1:
        return _collect_choice(
            [(key, _collect(schema, key, target, element)) for key, target in alternatives]
        )
    ((key, target),) = alternatives
    return _collect(schema, key, target, element)


def _collect(schema: Schema, key: str, target: str, element: Element) -> Collect:
    if target in RESOURCES:
        return collect_resources(schema, key)
    if schema.is_primitive(target):
        return _collect_primitives(key, target)
    return _collect_list(key, target) if element.repeats else _collect_one(key, target)


def _collect_nothing(_node: Node, _found: Nodes) -> None:
    """Append nothing."""


def _collect_one(key: str, target: str) -> Collect:
    def collect(node: Node, found: Nodes) -> None:
        value = node.value
        if value is not None and type(child := value.get(key)) is dict:
            found.append(new_node((target, child, None)))

    return collect


def _collect_list(key: str, target: str) -> Collect:
    def collect(node: Node, found: Nodes) -> None:
        value = node.value
        if value is not None and type(children := value.get(key)) is list:
            found.extend(
                [new_node((target, child, None)) for child in children if type(child) is dict]
            )

    return collect


def collect_resources(schema: Schema, key: str) -> Collect:
    """Return what appends the resources under a key, each with its own type."""

    def collect(node: Node, found: Nodes) -> None:
        if node.value is None:
            return
        child = node.value.get(key)
        for each in child if type(child) is list else (child,):
            if type(each) is dict:
                found.append(new_node((schema.resource_type(each), each, None)))

    return collect


def _collect_primitives(key: str, target: str) -> Collect:
    sibling = "_" + key

    def collect(node: Node, found: Nodes) -> None:
        value = node.value
        if value is None:
            return
        child, element = value.get(key), value.get(sibling)
        if child is None and element is None:
            return
        if element is not None:
            found.extend(_with_elements(target, child, element))
        elif type(child) is list:
            found.extend([new_node((target, each, None)) for each in child if is_scalar(each)])
        elif type(child) is not dict:
            found.append(new_node((target, child, None)))

    return collect


def is_scalar(value: Any) -> bool:
    """Tell whether a JSON value is a string, number or boolean."""
    return value is not None and type(value) is not dict and type(value) is not list


def _with_elements(target: str, child: Any, element: Any) -> Iterator[Node]:
    """Yield primitives with what is beside them."""
    values, elements = (each if type(each) is list else [each] for each in (child, element))
    for value, beside in zip_longest(values, elements):
        kept = value if is_scalar(value) else None
        if kept is not None or type(beside) is dict:
            yield Node(target, kept, beside if type(beside) is dict else None)


def _collect_choice(alternatives: list[tuple[str, Collect]]) -> Collect:
    by_key: dict[str, Collect] = {}
    for key, collector in alternatives:
        by_key[key] = by_key["_" + key] = collector

    def collect(node: Node, found: Nodes) -> None:
        for key in node.value or ():
            collector = by_key.get(key)
            if collector is not None:
                collector(node, found)
                # The one alternative that is there: `valueString` and `_valueString` are one value.
                return

    return collect


def _collect_of_primitive(name: str, alternatives: list[tuple[str, str]]) -> Collect:
    """Return the collector of `id`, `extension` and `value` of a primitive."""
    if name == "value":
        return _collect_bare_value
    if not alternatives:
        return _collect_nothing
    ((key, target),) = alternatives
    inner = _collect_list(key, target) if name == "extension" else _collect_primitives(key, target)

    def collect(node: Node, found: Nodes) -> None:
        if node.element is not None:
            inner(Node(node.type, node.element), found)

    return collect


def _collect_bare_value(node: Node, found: Nodes) -> None:
    if node.value is not None:
        found.append(bare(node))
