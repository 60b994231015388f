"""Functions on numbers: https://hl7.org/fhirpath/N1/#math. What has no result is empty."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, DecimalException

from fhir_server.fhir.fhirpath.arithmetic import LARGEST_INTEGER, is_number, number
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.functions.collections import integer
from fhir_server.fhir.fhirpath.node import NOTHING, Node, Nodes, single
from fhir_server.fhir.fhirpath.quantity import Quantity
from fhir_server.fhir.fhirpath.scope import Function, of_values
from fhir_server.fhir.fhirpath.system import value_of

_MOST_PLACES = 28


def _numeric(nodes: Nodes, what: str) -> int | Decimal | None:
    node = single(nodes, what)
    if node is None:
        return None
    value = value_of(node)
    if not is_number(value):
        raise FhirPathError(f"{what} takes a number, not {node.type}")
    assert isinstance(value, int | Decimal)
    return value


def _of_number(name: str, compute: Callable[..., int | Decimal], arguments: int = 0) -> Function:
    def apply(nodes: Nodes, *others: Nodes) -> Nodes:
        values = [_numeric(each, name) for each in (nodes, *others)]
        if None in values:
            return NOTHING
        try:
            return number(compute(*values))
        except (DecimalException, ValueError):
            return NOTHING

    return of_values(apply, arguments)


def _whole(rounding: str) -> Callable[[int | Decimal], int | Decimal]:
    def compute(value: int | Decimal) -> int | Decimal:
        if isinstance(value, int):
            return value
        if value.adjusted() > len(str(LARGEST_INTEGER)):
            return LARGEST_INTEGER + 1
        return int(value.to_integral_value(rounding))

    return compute


def _abs(nodes: Nodes) -> Nodes:
    if len(nodes) == 1 and isinstance(quantity := value_of(nodes[0]), Quantity):
        return [Node("System.Quantity", replace(quantity, value=abs(quantity.value)))]
    found = _numeric(nodes, "abs()")
    return NOTHING if found is None else number(-found if found < 0 else found)


def _round(nodes: Nodes, places: Nodes = NOTHING) -> Nodes:
    value, count = _numeric(nodes, "round()"), integer(places, "round()") or 0
    if value is None:
        return NOTHING
    if not 0 <= count <= _MOST_PLACES:
        raise FhirPathError(f"round() takes 0 to {_MOST_PLACES} places, not {count}")
    try:
        return number(Decimal(value).quantize(Decimal(1).scaleb(-count), ROUND_HALF_UP))
    except DecimalException:
        return NOTHING


def _log(value: int | Decimal, base: int | Decimal) -> Decimal:
    exact = Decimal(value).ln() / Decimal(base).ln()
    # The quotient of two rounded logarithms: its last digits are noise.
    return exact.quantize(Decimal(1).scaleb(-20)).normalize()


def _power(value: int | Decimal, exponent: int | Decimal) -> int | Decimal:
    result = Decimal(value) ** Decimal(exponent)
    whole = isinstance(value, int) and isinstance(exponent, int) and exponent >= 0
    return _whole(ROUND_DOWN)(result) if whole else result


FUNCTIONS: Mapping[str, Function] = {
    "abs": of_values(_abs),
    "ceiling": _of_number("ceiling()", _whole(ROUND_CEILING)),
    "floor": _of_number("floor()", _whole(ROUND_FLOOR)),
    "truncate": _of_number("truncate()", _whole(ROUND_DOWN)),
    "round": of_values(_round, 0, 1),
    "exp": _of_number("exp()", lambda value: Decimal(value).exp()),
    "ln": _of_number("ln()", lambda value: Decimal(value).ln()),
    "log": _of_number("log()", _log, 1),
    "power": _of_number("power()", _power, 1),
    "sqrt": _of_number("sqrt()", lambda value: Decimal(value).sqrt()),
}
