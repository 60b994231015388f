"""A value with its type: what a FHIRPath expression goes through and yields."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.resource import Resource


class Node(NamedTuple):
    """One element, or one value of the System types.

    `type` is a FHIR type code (`HumanName`, `code`, `Patient.contact`) or `System.Integer` and the like.
    `value` is the JSON value; None for a primitive that has extensions only.
    `element` is the `_x` sibling of a primitive: its id and extensions.
    """

    type: str
    value: Any
    element: dict[str, Any] | None = None


new_node: Callable[[tuple[str, Any, dict[str, Any] | None]], Node] = partial(tuple.__new__, Node)
"""Make a node of its three parts, in half the time that `Node()` takes."""

Nodes: TypeAlias = list[Node]
"""A collection. Results may be shared: who gets one does not change it."""

Evaluate: TypeAlias = Callable[[Node], Nodes]
"""A compiled expression."""

EvaluateWithin: TypeAlias = Callable[[Node, Node], Nodes]
"""A compiled expression on an element, the resource that it is in second."""

TRUE: Nodes = [Node("System.Boolean", value=True)]
FALSE: Nodes = [Node("System.Boolean", value=False)]
NOTHING: Nodes = []


def root(resource: Resource) -> Node:
    """Return the node of a resource."""
    return Node(resource["resourceType"], resource)


def truth(value: bool | None) -> Nodes:  # noqa: FBT001 - the third value of the logic is None
    """Return a value of the three-valued logic as a collection."""
    if value is None:
        return NOTHING
    return TRUE if value else FALSE


def single(nodes: Nodes, what: str) -> Node | None:
    """Return the only item, None if there is none; raise FhirPathError if there are several."""
    if not nodes:
        return None
    if len(nodes) > 1:
        raise FhirPathError(f"{what} takes one item, not {len(nodes)}")
    return nodes[0]


def logical(nodes: Nodes, what: str = "a condition") -> bool | None:
    """Return a collection as a value of the three-valued logic: one item that is no boolean is true.

    https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections.
    """
    node = single(nodes, what)
    if node is None:
        return None
    return node.value if isinstance(node.value, bool) else True
