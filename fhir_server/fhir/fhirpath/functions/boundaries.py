"""The least and the greatest value that an imprecise one may stand for: https://hl7.org/fhirpath/#utility-functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Any

from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.functions.collections import integer
from fhir_server.fhir.fhirpath.node import NOTHING, Nodes, single, truth
from fhir_server.fhir.fhirpath.quantity import Quantity, in_common_unit
from fhir_server.fhir.fhirpath.scope import Function, of_values
from fhir_server.fhir.fhirpath.system import system_node, value_of
from fhir_server.fhir.fhirpath.temporal import Temporal, days_of

_PLACES = 8
_MOST_PLACES = 31
_LENGTHS = {"Date": 8, "DateTime": 17, "Time": 9}
_PARTS_OF_LENGTH = {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 7}
_EAST, _WEST = 14 * 60, -12 * 60


def _boundary(nodes: Nodes, precision: Nodes, *, high: bool) -> Nodes:
    node = single(nodes, "a boundary")
    if node is None:
        return NOTHING
    value, places = value_of(node), integer(precision, "a boundary")
    found = _boundary_of(value, places, high=high)
    return NOTHING if found is None else [system_node(found)]


def _boundary_of(value: Any, places: int | None, *, high: bool) -> Any:
    if isinstance(value, Quantity):
        number = _of_number(value.value, places, high=high)
        return None if number is None else replace(value, value=number)
    if isinstance(value, Temporal):
        return _of_moment(value, _LENGTHS[value.kind] if places is None else places, high=high)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _of_number(Decimal(value), places, high=high)
    raise FhirPathError("a boundary is of a number, a quantity, a date or a time")


def _of_number(value: Decimal, places: int | None, *, high: bool) -> Decimal | None:
    count = _PLACES if places is None else places
    exponent = value.as_tuple().exponent
    if not 0 <= count < _MOST_PLACES or not isinstance(exponent, int) or value.adjusted() > 100:  # noqa: PLR2004
        return None
    with localcontext(prec=200):
        half = Decimal(5).scaleb(exponent - 1)
        bound = value + half if high else value - half
        rounding = ROUND_CEILING if high else ROUND_FLOOR
        return bound.quantize(Decimal(1).scaleb(-count), rounding)


def _of_moment(value: Temporal, length: int, *, high: bool) -> Temporal | None:
    wanted = _PARTS_OF_LENGTH.get(length + (8 if value.kind == "Time" else 0))
    if wanted is None or (value.kind == "Date" and wanted > 3):  # noqa: PLR2004 - a Date ends with the day
        return None
    parts = _filled(value, high=high)[: wanted - value.start]
    if wanted < 7:  # noqa: PLR2004 - the seventh are the milliseconds
        return replace(value, parts=parts, fraction="", offset=_offset(value, wanted, high=high))
    fraction = value.fraction or ("999" if high else "000")
    return replace(value, parts=parts, fraction=fraction, offset=_offset(value, wanted, high=high))


def _filled(value: Temporal, *, high: bool) -> tuple[int, ...]:
    parts = list(value.parts)
    place = value.start + len(parts)
    while place < 6:  # noqa: PLR2004 - up to the second
        parts.append(_extreme(place, parts, high=high))
        place += 1
    return tuple(parts)


def _extreme(place: int, parts: list[int], *, high: bool) -> int:
    if not high:
        return 1 if place in {1, 2} else 0
    if place == 2:  # noqa: PLR2004 - the day
        return days_of(parts[0], parts[1])
    return {1: 12, 3: 23}.get(place, 59)


def _offset(value: Temporal, wanted: int, *, high: bool) -> int | None:
    if value.offset is not None or value.kind != "DateTime" or wanted <= 3:  # noqa: PLR2004
        return value.offset if wanted > 3 else None  # noqa: PLR2004 - a date has no zone
    return _WEST if high else _EAST


def _precision(nodes: Nodes) -> Nodes:
    node = single(nodes, "precision()")
    if node is None:
        return NOTHING
    value = value_of(node)
    if isinstance(value, Temporal):
        widths = (4, 2, 2, 2, 2, 2)[value.start :]
        return [system_node(sum(widths[: len(value.parts)]) + len(value.fraction))]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        exponent = Decimal(value).as_tuple().exponent
        return [system_node(max(0, -exponent) if isinstance(exponent, int) else 0)]
    raise FhirPathError(f"precision() is of a number, a date or a time, not {node.type}")


def _comparable(nodes: Nodes, other: Nodes) -> Nodes:
    a, b = single(nodes, "comparable()"), single(other, "comparable()")
    if a is None or b is None:
        return NOTHING
    one, two = value_of(a), value_of(b)
    if not (isinstance(one, Quantity) and isinstance(two, Quantity)):
        raise FhirPathError(f"comparable() is of quantities, not {a.type} and {b.type}")
    return truth(in_common_unit(one, two) is not None)


FUNCTIONS: Mapping[str, Function] = {
    "lowBoundary": of_values(lambda nodes, p=NOTHING: _boundary(nodes, p, high=False), 0, 1),
    "highBoundary": of_values(lambda nodes, p=NOTHING: _boundary(nodes, p, high=True), 0, 1),
    "precision": of_values(_precision),
    "comparable": of_values(_comparable, 1),
}
