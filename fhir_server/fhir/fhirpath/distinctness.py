"""Which items of collections are the same value, without comparing each with each.

Two values are equal exactly if their marks are: https://hl7.org/fhirpath/N1/#equals.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fhir_server.fhir.fhirpath.node import Node, Nodes
from fhir_server.fhir.fhirpath.quantity import Quantity, is_handy
from fhir_server.fhir.fhirpath.system import value_of
from fhir_server.fhir.fhirpath.temporal import Temporal


def mark(node: Node) -> Hashable:
    """Return what equal values share."""
    value = value_of(node)
    if value is None:
        return "nothing", frozen(node.element)
    if isinstance(value, Temporal):
        return _mark_of_moment(value)
    if isinstance(value, Quantity):
        return _mark_of_quantity(value)
    return frozen(value)


def _mark_of_moment(moment: Temporal) -> Hashable:
    same_clock = moment.universal()
    return (
        "time" if moment.kind == "Time" else "date",
        same_clock.parts,
        same_clock.fraction.rstrip("0"),
        moment.offset is None,
    )


def _mark_of_quantity(quantity: Quantity) -> Hashable:
    if not is_handy(quantity):
        return "quantity", quantity
    size, dimension = quantity.measure
    return "quantity", Fraction(quantity.value) * size, dimension


def frozen(value: Any) -> Hashable:
    """Return a JSON value in a form that can be looked up; `true` is not 1."""
    if isinstance(value, dict):
        return frozenset((key, frozen(each)) for key, each in value.items())
    if isinstance(value, list):
        return tuple(frozen(each) for each in value)
    return ("number", value) if type(value) in {int, Decimal} else value


def distinct(nodes: Nodes) -> Nodes:
    """Return each value once, in order of its first occurrence."""
    found: dict[Hashable, Node] = {}
    for node in nodes:
        found.setdefault(mark(node), node)
    return list(found.values())


def among(nodes: Nodes) -> Callable[[Node], bool]:
    """Return the test for being one of some values."""
    marks = {mark(each) for each in nodes}
    return lambda node: mark(node) in marks
