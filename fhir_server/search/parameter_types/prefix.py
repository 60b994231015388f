"""The comparison prefixes of ordered values: https://hl7.org/fhir/R4/search.html#prefix."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from fhir_server.search.expression import Bound, Limit
from fhir_server.search.parameter_types.criterion import Alternatives

Prefix: TypeAlias = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]

PREFIXES: dict[str, Prefix] = {each: each for each in get_args(Prefix)}

NAMES = ", ".join(PREFIXES)


def split_prefix(text: str) -> tuple[Prefix, str]:
    """Return the prefix, `eq` if there is none, and what follows it."""
    found = PREFIXES.get(text[:2])
    return ("eq", text) if found is None else (found, text[2:])


def low(operator: Literal["<", "<=", ">", ">="], value: Bound) -> Limit:
    """Return a limit on where a stored range begins."""
    return Limit("low", operator, value)


def high(operator: Literal["<", "<=", ">", ">="], value: Bound) -> Limit:
    """Return a limit on where a stored range ends."""
    return Limit("high", operator, value)


def within(start: Bound, end: Bound) -> Alternatives:
    """Return the limits of a range that lies in start <= … < end."""
    return ((low(">=", start), high("<", end)),)


def not_within(start: Bound, end: Bound) -> Alternatives:
    """Return the limits of a range that does not lie in start <= … < end."""
    return ((low("<", start),), (high(">=", end),))
