"""From one System type to another: https://hl7.org/fhirpath/N1/#conversion."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from fhir_server.fhir.fhirpath.arithmetic import LARGEST_INTEGER, is_number
from fhir_server.fhir.fhirpath.node import NOTHING, Nodes, single, truth
from fhir_server.fhir.fhirpath.quantity import CALENDAR_UNITS, Quantity
from fhir_server.fhir.fhirpath.scope import Function, of_values
from fhir_server.fhir.fhirpath.system import system_node, value_of
from fhir_server.fhir.fhirpath.temporal import Temporal

_INTEGER = re.compile(r"[+-]?\d{1,10}\Z")
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?\Z")
_QUANTITY = re.compile(
    r"(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?:'(?P<code>[^']+)'|(?P<word>[a-z]+))?\Z"
)
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if is_number(value):
        return {0: False, 1: True}.get(value)
    if isinstance(value, str):
        text = value.lower()
        return True if text in _TRUE else False if text in _FALSE else None
    return None


def _integer(value: Any) -> int | None:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and _INTEGER.match(value) and abs(int(value)) <= LARGEST_INTEGER:
        return int(value)
    return None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if isinstance(value, str) and _DECIMAL.match(value):
        return Decimal(value)
    return None


def as_text(value: Any) -> str | None:
    """Return the text of a System value; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}" if abs(value.adjusted()) < 100 else str(value)  # noqa: PLR2004
    return str(value) if isinstance(value, str | int | Temporal | Quantity) else None


def _quantity(value: Any) -> Quantity | None:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, int | Decimal):
        return Quantity(Decimal(value), "1")
    match = _QUANTITY.match(value) if isinstance(value, str) else None
    if match is None or (match["word"] and match["word"] not in CALENDAR_UNITS):
        return None
    unit = match["word"] or match["code"] or "1"
    return Quantity(Decimal(match["number"]), unit, calendar=bool(match["word"]))


def _date(value: Any) -> Temporal | None:
    if isinstance(value, Temporal) and value.kind != "Time":
        return Temporal("Date", value.parts[:3])
    if isinstance(value, str):
        moment = Temporal.parse("DateTime", value)
        return Temporal("Date", moment.parts[:3]) if moment else None
    return None


def _date_time(value: Any) -> Temporal | None:
    if isinstance(value, Temporal) and value.kind != "Time":
        return Temporal("DateTime", value.parts, value.fraction, value.offset)
    return Temporal.parse("DateTime", value) if isinstance(value, str) else None


def _time(value: Any) -> Temporal | None:
    if isinstance(value, Temporal):
        return value if value.kind == "Time" else None
    return Temporal.parse("Time", "T" + value.removeprefix("T")) if isinstance(value, str) else None


def _to(convert: Callable[[Any], Any], what: str) -> Function:
    def apply(nodes: Nodes) -> Nodes:
        node = single(nodes, what)
        converted = None if node is None else convert(value_of(node))
        return NOTHING if converted is None else [system_node(converted)]

    return of_values(apply)


def _converts(convert: Callable[[Any], Any], what: str) -> Function:
    def apply(nodes: Nodes) -> Nodes:
        node = single(nodes, what)
        return NOTHING if node is None else truth(convert(value_of(node)) is not None)

    return of_values(apply)


def _to_quantity(nodes: Nodes, unit: Nodes = NOTHING) -> Nodes:
    node, wanted = single(nodes, "toQuantity()"), single(unit, "toQuantity()")
    quantity = None if node is None else _quantity(value_of(node))
    if quantity is None or (wanted is not None and quantity.unit != wanted.value):
        return NOTHING
    return [system_node(quantity)]


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "Boolean": _boolean,
    "Integer": _integer,
    "Decimal": _decimal,
    "String": as_text,
    "Quantity": _quantity,
    "Date": _date,
    "DateTime": _date_time,
    "Time": _time,
}

FUNCTIONS: Mapping[str, Function] = {
    **{f"to{name}": _to(convert, f"to{name}()") for name, convert in _CONVERSIONS.items()},
    **{
        f"convertsTo{name}": _converts(convert, f"convertsTo{name}()")
        for name, convert in _CONVERSIONS.items()
    },
    "toQuantity": of_values(_to_quantity, 0, 1),
}
