"""Quantities, with and without their unit: https://hl7.org/fhir/R4/search.html#quantity.

Each stands as it is written on the axis of its UCUM unit; other units are tags. A search in a UCUM unit is converted
to the units that are there: 0.5 g finds 500 mg.
"""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.fhirpath import Node
from fhir_server.search.expression import Predicate
from fhir_server.search.parameter_types import number
from fhir_server.search.parameter_types.criterion import (
    Alternatives,
    Criterion,
    in_range,
    split,
    unescape,
)
from fhir_server.search.parameter_types.entries import Entries, Indexer
from fhir_server.search.record import SEPARATOR, shortened, system_key
from fhir_server.search.sortable import HIGHEST, LOWEST, just_above, just_below

UCUM = "http://unitsofmeasure.org"
_CURRENCIES = "urn:iso:std:iso:4217"

_QUANTITIES = frozenset(
    ("Quantity", "SimpleQuantity", "MoneyQuantity", "Age", "Count", "Distance", "Duration")
)


def indexer(code: str) -> Indexer:
    """Return what indexes the values of a quantity parameter."""
    axis = code + SEPARATOR

    def index(node: Node, entries: Entries) -> None:
        found = extent(node)
        if found is not None:
            unit, names = units(node)
            entries.ranges.append((axis + unit, *found, names))

    return index


def extent(node: Node) -> tuple[str, str] | None:
    """Return the ends of what a value covers, as sortable text; None for a type without one."""
    value = node.value
    if node.type == "Range":
        return number.extent_of_range(value)
    if node.type not in _QUANTITIES and node.type != "Money":
        return None
    text = number.as_text(value.get("value"))
    return None if text is None else _compared(text, value.get("comparator"))


def _compared(text: str, comparator: str | None) -> tuple[str, str]:
    match comparator:
        case "<":
            return LOWEST, just_below(text)
        case "<=":
            return LOWEST, text
        case ">":
            return just_above(text), HIGHEST
        case ">=":
            return text, HIGHEST
        case _:
            return text, text


def units(node: Node) -> tuple[str, tuple[str, ...]]:
    """Return the UCUM unit of a value, "" for none, and its names as tags: any other coding, and what people read."""
    system, code, unit = _unit(node)
    names = [f"|{code}"] if code else []
    is_ucum = system == UCUM and SEPARATOR not in code
    if code and system and not is_ucum:
        names.append(f"|{system_key(system)}|{code}")
    if unit and unit != code:
        names.append(f"|{unit}")
    return shortened(code) if is_ucum else "", tuple(names)


def _unit(node: Node) -> tuple[str, str, str]:
    """Return the system, code and human name of a unit, each "" if there is none."""
    value: dict[str, Any] = node.value
    if node.type == "Money":
        return _CURRENCIES, value.get("currency", ""), ""
    if node.type == "Range":
        value = value.get("low") or value.get("high") or {}
    return value.get("system", ""), value.get("code", ""), value.get("unit", "")


def parse(criterion: Criterion) -> Predicate:
    """Return what one value of a quantity parameter asks."""
    criterion.refuse_modifier()
    return in_range(criterion.parameter.code + SEPARATOR, *asked(criterion))


def asked(criterion: Criterion) -> tuple[Alternatives, tuple[str, ...], str]:
    """Return the limits that a search value sets, the tags that it asks for, and the UCUM unit that it counts."""
    parts = split(criterion.value, "|")
    limits = number.alternatives(criterion, parts[0])
    match [unescape(each) for each in parts[1:]]:
        case [] | ["", ""]:
            # `5.4||` is what HAPI's client writes for a number without a unit.
            return limits, (), ""
        case ["", code] if code:
            return limits, (f"|{code}",), ""
        case [system, code] if code and system == UCUM:
            return limits, (), shortened(code)
        case [system, code] if code:
            return limits, (f"|{system_key(system)}|{code}",), ""
        case _:
            raise criterion.malformed("`5.4`, `5.4||mg` or `5.4|http://unitsofmeasure.org|mg`")
