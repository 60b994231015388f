"""Numbers, exact to the last digit: https://hl7.org/fhir/R4/search.html#number.

A search without comparison covers what its precision leaves open: 100 is 99.5 <= … < 100.5.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, assert_never

from fhir_server.fhir.fhirpath import Node
from fhir_server.search.conversion import ROUNDING
from fhir_server.search.expression import Limit, Predicate
from fhir_server.search.parameter_types.criterion import (
    Alternatives,
    Criterion,
    in_range,
    unescape,
)
from fhir_server.search.parameter_types.entries import Entries, Indexer
from fhir_server.search.parameter_types.prefix import (
    NAMES,
    high,
    low,
    not_within,
    split_prefix,
    within,
)
from fhir_server.search.sortable import HIGHEST, LOWEST, sortable

_TEXT = re.compile(r"[+-]?(\d{1,60})(?:\.(\d{1,60}))?(?:[eE]([+-]?\d{1,4}))?\Z", re.ASCII)

_FURTHEST = 40_000
"""Greater exponents than this are infinite, smaller ones nothing: sortable text has an end."""


def indexer(code: str) -> Indexer:
    """Return what indexes the values of a number parameter."""

    def index(node: Node, entries: Entries) -> None:
        value = node.value
        if node.type == "Range":
            entries.ranges.append((code, *extent_of_range(value), ()))
        elif (text := as_text(value)) is not None:
            entries.ranges.append((code, text, text, ()))

    return index


def extent_of_range(value: dict[str, Any]) -> tuple[str, str]:
    """Return the ends of a Range, which is open where one is missing."""
    first = as_text(value.get("low", {}).get("value"))
    last = as_text(value.get("high", {}).get("value"))
    begin, finish = first or LOWEST, last or HIGHEST
    return (begin, finish) if begin <= finish else (finish, begin)


def as_text(value: object) -> str | None:
    """Return a JSON number as text that sorts; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return _text_of(value)


# One value stands on several axes, and few values are rare.
@lru_cache(maxsize=8192)
def _text_of(value: int | Decimal) -> str:
    number = ROUNDING.create_decimal(value)
    exponent = number.adjusted()
    if number == 0 or exponent < -_FURTHEST:
        return sortable(Decimal(0))
    if exponent > _FURTHEST:
        return LOWEST if number < 0 else HIGHEST
    return sortable(number)


def parse(criterion: Criterion) -> Predicate:
    """Return what one value of a number parameter asks."""
    criterion.refuse_modifier()
    return in_range(criterion.parameter.code, alternatives(criterion, criterion.value))


def alternatives(criterion: Criterion, text: str) -> Alternatives:
    """Return the limits on a stored number or range that a prefix and a number ask for.

    https://hl7.org/fhir/R4/search.html#prefix. Comparisons take the number as exact.
    """
    prefix, digits = split_prefix(unescape(text))
    found = _TEXT.match(digits)
    if found is None:
        raise criterion.malformed(f"a number like `5.40` or `1e-3` after one of {NAMES}")
    match prefix:
        case "eq":
            return within(*_implied(digits))
        case "ne":
            return not_within(*_implied(digits))
        case "ap":
            first, last = _about(digits)
            return ((low("<=", last), high(">=", first)),)
        case "gt" | "lt" | "ge" | "le" | "sa" | "eb":
            return ((_compared(prefix, _scaled(*_in_tenths(digits))),),)
        case _:
            assert_never(prefix)


def _compared(prefix: Literal["gt", "lt", "ge", "le", "sa", "eb"], value: str) -> Limit:
    match prefix:
        case "gt":
            return high(">", value)
        case "ge":
            return high(">=", value)
        case "lt":
            return low("<", value)
        case "le":
            return low("<=", value)
        case "sa":
            return low(">", value)
        case "eb":
            return high("<", value)
        case _:
            assert_never(prefix)


def _implied(digits: str) -> tuple[str, str]:
    """Return where the numbers begin and end that are written so: half a unit of the last place around."""
    tenths, exponent = _in_tenths(digits)
    return _scaled(tenths - 5, exponent), _scaled(tenths + 5, exponent)


def _about(digits: str) -> tuple[str, str]:
    """Return the ends of what is approximately the number: a tenth of it, or its precision if that is wider."""
    tenths, exponent = _in_tenths(digits)
    margin = max(5, abs(tenths) // 10)
    return _scaled(tenths - margin, exponent), _scaled(tenths + margin, exponent)


def _in_tenths(digits: str) -> tuple[int, int]:
    """Return a number as tenths of a unit of its last place, and the exponent of such a tenth."""
    mantissa, _, exponent = digits.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    return int(whole + fraction) * 10, int(exponent or 0) - len(fraction) - 1


def _scaled(tenths: int, exponent: int) -> str:
    return sortable(Decimal(f"{tenths}E{exponent}"))
