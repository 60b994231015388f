"""Quantities, with and without their unit: https://hl7.org/fhir/R4/search.html#quantity.

A quantity in a UCUM unit stands on a second axis, in the base units of its dimension: 500 mg is 0.5 g there. Other
units are compared as they are written.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

from fhir_server.fhir.fhirpath import Node
from fhir_server.fhir.fhirpath.quantity import measure
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
from fhir_server.search.parameter_types.number import ONE
from fhir_server.search.record import (
    HIGHEST,
    LOWEST,
    just_above,
    just_below,
    shortened,
    system_key,
)

UCUM = "http://unitsofmeasure.org"
_CURRENCIES = "urn:iso:std:iso:4217"

_QUANTITIES = frozenset(
    ("Quantity", "SimpleQuantity", "MoneyQuantity", "Age", "Count", "Distance", "Duration")
)


def indexer(code: str) -> Indexer:
    """Return what indexes the values of a quantity parameter."""
    index_as_written = written_indexer(code)

    def index(node: Node, entries: Entries) -> None:
        index_as_written(node, entries)
        system, unit, _ = _unit(node)
        if system == UCUM and unit:
            size, suffix = canonical(unit)
            converted = extent(node, size)
            if converted is not None:
                entries.ranges.append((code + suffix, *converted, ()))

    return index


def written_indexer(code: str) -> Indexer:
    """Return what indexes quantities as they are written: of a composite, which would have too many axes."""

    def index(node: Node, entries: Entries) -> None:
        found = extent(node)
        if found is not None:
            entries.ranges.append((code, *found, units(node)))

    return index


@lru_cache(maxsize=1024)
def canonical(unit: str) -> tuple[Fraction, str]:
    """Return the size of a UCUM unit in base units, and what their dimension adds to the axis."""
    size, dimension = measure(unit)
    name = ".".join(f"{base}{power}" for base, power in dimension)
    return size, "*" + shortened(name)


def extent(node: Node, size: Fraction = ONE) -> tuple[str, str] | None:
    """Return the ends of what a value covers, as sortable text; None for a type without one."""
    value = node.value
    if node.type == "Range":
        return number.extent_of_range(value, size)
    if node.type not in _QUANTITIES and node.type != "Money":
        return None
    text = number.as_text(value.get("value"), size)
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


def units(node: Node) -> tuple[str, ...]:
    """Return the tags of a value's unit: its names, and its coding."""
    system, code, unit = _unit(node)
    found = []
    if code:
        found.append(f"|{code}")
        if system:
            found.append(f"|{system_key(system)}|{code}")
    if unit and unit != code:
        found.append(f"|{unit}")
    return tuple(found)


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
    match [unescape(each) for each in split(criterion.value, "|")]:
        case [text, system, unit] if system == UCUM and unit:
            size, suffix = canonical(unit)
            limits = number.alternatives(criterion, text, size)
            return in_range(criterion.parameter.code + suffix, limits)
        case _:
            tags, limits = tags_and_alternatives(criterion)
            return in_range(criterion.parameter.code, limits, tags)


def tags_and_alternatives(criterion: Criterion) -> tuple[tuple[str, ...], Alternatives]:
    """Return the tags that a search value asks for as it is written, and its limits."""
    parts = split(criterion.value, "|")
    match [parts[0], *(unescape(each) for each in parts[1:])]:
        case [text]:
            return (), number.alternatives(criterion, text)
        case [text, "", code] if code:
            return (f"|{code}",), number.alternatives(criterion, text)
        case [text, system, code] if code:
            return (f"|{system_key(system)}|{code}",), number.alternatives(criterion, text)
        case _:
            raise criterion.malformed("`5.4`, `5.4||mg` or `5.4|http://unitsofmeasure.org|mg`")
