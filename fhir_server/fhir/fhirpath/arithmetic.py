"""Sums, products and dates moved by a duration: https://hl7.org/fhirpath/N1/#math.

A result that is too large, or a division by zero, is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal, DecimalException
from typing import Any

from fhir_server.fhir.fhirpath.durations import moved
from fhir_server.fhir.fhirpath.equality import as_quantity
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.node import NOTHING, Node, Nodes, single
from fhir_server.fhir.fhirpath.quantity import Quantity, in_common_unit
from fhir_server.fhir.fhirpath.system import value_of
from fhir_server.fhir.fhirpath.temporal import Temporal

LARGEST_INTEGER = 2**31 - 1


def number(value: int | Decimal) -> Nodes:
    """Return a number as a collection; empty if it is beyond what FHIRPath counts with."""
    if isinstance(value, Decimal):
        return [Node("System.Decimal", value)] if value.is_finite() else NOTHING
    return [Node("System.Integer", value)] if abs(value) <= LARGEST_INTEGER else NOTHING


def is_number(value: Any) -> bool:
    """Tell whether a value is an Integer or Decimal."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def negated(nodes: Nodes, *, negative: bool) -> Nodes:
    """Return a number or quantity with a sign before it."""
    node = single(nodes, "a sign")
    if node is None:
        return NOTHING
    value = value_of(node)
    if is_number(value):
        return number(-value if negative else value)
    if isinstance(value, Quantity):
        signed = -value.value if negative else value.value
        return [Node("System.Quantity", replace(value, value=signed))]
    raise FhirPathError(f"a sign goes before a number, not {node.type}")


def _operands(symbol: str, left: Nodes, right: Nodes) -> tuple[Any, Any] | None:
    a, b = single(left, f"`{symbol}`"), single(right, f"`{symbol}`")
    return None if a is None or b is None else (value_of(a), value_of(b))


def _refused(symbol: str, a: Any, b: Any) -> FhirPathError:
    return FhirPathError(f"`{symbol}` has no meaning for {_kind(a)} and {_kind(b)}")


def _kind(value: Any) -> str:
    return value.kind if isinstance(value, Temporal) else type(value).__name__


def _sum(symbol: str, sign: int, left: Nodes, right: Nodes) -> Nodes:
    operands = _operands(symbol, left, right)
    if operands is None:
        return NOTHING
    a, b = operands
    if is_number(a) and is_number(b):
        return _number_of(lambda: a + sign * b)
    if isinstance(a, Temporal) and isinstance(b, Quantity):
        result = moved(a, b, sign)
        return [Node(f"System.{result.kind}", result)] if result else NOTHING
    if isinstance(a, str) and isinstance(b, str) and sign == 1:
        return [Node("System.String", a + b)]
    if isinstance(a, Quantity) and isinstance(b, Quantity):
        return _sum_of_quantities(a, b, sign)
    raise _refused(symbol, a, b)


def added(left: Nodes, right: Nodes) -> Nodes:
    """Return `left + right`."""
    return _sum("+", 1, left, right)


def subtracted(left: Nodes, right: Nodes) -> Nodes:
    """Return `left - right`."""
    return _sum("-", -1, left, right)


def _sum_of_quantities(a: Quantity, b: Quantity, sign: int) -> Nodes:
    if a.unit == b.unit:
        return _quantity_of(lambda: a.value + sign * b.value, a.unit, calendar=a.calendar)
    numbers = in_common_unit(a, b)
    if numbers is None:
        return NOTHING
    smaller, larger = sorted((a, b), key=lambda each: each.measure[0])
    total = (numbers[0] + sign * numbers[1]) * larger.measure[0] / smaller.measure[0]
    exact = Decimal(total.numerator) / Decimal(total.denominator)
    return _quantity_of(lambda: exact, smaller.unit, calendar=smaller.calendar)


def _number_of(compute: Callable[[], int | Decimal]) -> Nodes:
    try:
        return number(compute())
    except DecimalException:
        return NOTHING


def _quantity_of(compute: Callable[[], Decimal], unit: str, *, calendar: bool = False) -> Nodes:
    try:
        value = compute()
    except DecimalException:
        return NOTHING
    return [Node("System.Quantity", Quantity(value, unit, calendar))]


def multiplied(left: Nodes, right: Nodes) -> Nodes:
    """Return `left * right`; of quantities in the product of their units."""
    operands = _operands("*", left, right)
    if operands is None:
        return NOTHING
    a, b = operands
    if is_number(a) and is_number(b):
        return _number_of(lambda: a * b)
    one, other = as_quantity(a), as_quantity(b)
    if one is None or other is None:
        raise _refused("*", a, b)
    units = [each for each in (one.code, other.code) if each != "1"]
    return _quantity_of(lambda: one.value * other.value, ".".join(units) or "1")


def divided(left: Nodes, right: Nodes) -> Nodes:
    """Return `left / right`, always a Decimal; of quantities in the quotient of their units."""
    operands = _operands("/", left, right)
    if operands is None:
        return NOTHING
    a, b = operands
    if is_number(a) and is_number(b):
        return _number_of(lambda: Decimal(a) / Decimal(b))
    one, other = as_quantity(a), as_quantity(b)
    if one is None or other is None:
        raise _refused("/", a, b)
    return _quantity_of(lambda: one.value / other.value, _quotient(one.code, other.code))


def _quotient(unit: str, divisor: str) -> str:
    if unit == divisor:
        return "1"
    if divisor == "1":
        return unit
    # UCUM reads from left to right: the factors of the divisor change sides.
    turned = "/" + divisor.translate(str.maketrans("./", "/."))
    return turned if unit == "1" else unit + turned


def divided_whole(left: Nodes, right: Nodes) -> Nodes:
    """Return `left div right`: the whole part of the quotient."""
    return _whole("div", left, right, lambda a, b: _truncated(Decimal(a) / Decimal(b)))


def remainder(left: Nodes, right: Nodes) -> Nodes:
    """Return `left mod right`: what remains after `div`."""

    def compute(a: int | Decimal, b: int | Decimal) -> int | Decimal:
        rest = Decimal(a) % Decimal(b)
        return int(rest) if isinstance(a, int) and isinstance(b, int) else rest

    return _whole("mod", left, right, compute)


def _whole(
    symbol: str,
    left: Nodes,
    right: Nodes,
    compute: Callable[[int | Decimal, int | Decimal], int | Decimal],
) -> Nodes:
    operands = _operands(symbol, left, right)
    if operands is None:
        return NOTHING
    a, b = operands
    if not (is_number(a) and is_number(b)):
        raise _refused(symbol, a, b)
    return _number_of(lambda: compute(a, b))


def _truncated(value: Decimal) -> int | Decimal:
    # A number with a million digits is never written out.
    if value.adjusted() > len(str(LARGEST_INTEGER)):
        return LARGEST_INTEGER + 1
    return int(value.to_integral_value(ROUND_DOWN))
