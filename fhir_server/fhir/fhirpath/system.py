"""The value behind a node, in the terms of the System types: https://hl7.org/fhirpath/N1/#literals."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fhir_server.fhir.fhirpath.node import Node
from fhir_server.fhir.fhirpath.quantity import Quantity
from fhir_server.fhir.fhirpath.temporal import Temporal
from fhir_server.fhir.structure import Element

UCUM = "http://unitsofmeasure.org"
_TEMPORAL: Mapping[str, str] = {
    "date": "Date",
    "dateTime": "DateTime",
    "instant": "DateTime",
    "time": "Time",
}
_TEXTS = frozenset({"string", "code", "uri", "url", "canonical", "id", "oid", "uuid", "markdown"})
_QUANTITIES = frozenset({"Quantity", "Age", "Count", "Distance", "Duration"})
_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "Boolean"),
    (int, "Integer"),
    (Decimal, "Decimal"),
    (str, "String"),
    (Quantity, "Quantity"),
)


def is_temporal(code: str) -> bool:
    """Tell whether the text of a FHIR type is a date or a time."""
    return code in _TEMPORAL


def is_one_text(element: Element) -> bool:
    """Tell whether an element is a single string that is no date or time."""
    code = element.types[0].code if len(element.types) == 1 else ""
    return code in _TEXTS and not element.repeats and not element.is_choice


def value_of(node: Node) -> Any:
    """Return a bool, int, Decimal, str, Temporal or Quantity where there is one; else the JSON value."""
    value = node.value
    if isinstance(value, str):
        kind = _TEMPORAL.get(node.type)
        if kind is None:
            return value
        text = "T" + value if kind == "Time" else value
        return Temporal.parse(kind, text) or value
    if isinstance(value, dict) and node.type in _QUANTITIES:
        return quantity_of(value) or value
    return value


def quantity_of(element: dict[str, Any]) -> Quantity | None:
    """Return a FHIR Quantity as a quantity; None where it has no number or a comparator."""
    number = element.get("value")
    if not isinstance(number, int | Decimal) or "comparator" in element:
        return None
    unit = element.get("code") if element.get("system") == UCUM else element.get("unit")
    return Quantity(Decimal(number), unit if isinstance(unit, str) and unit else "1")


def bare(node: Node) -> Node:
    """Return the value of a primitive as a System type."""
    return system_node(value_of(node))


def system_node(value: Any) -> Node:
    """Return a node of the System type that a Python value stands for."""
    if isinstance(value, Temporal):
        return Node(f"System.{value.kind}", value)
    for kind, name in _NAMES:
        if isinstance(value, kind):
            return Node(f"System.{name}", value)
    return Node("System.Any", value)
