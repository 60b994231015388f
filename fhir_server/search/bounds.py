"""What a predicate says of the primary date, in whose order lists are. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from fhir_server.search.expression import AllOf, AnyOf, HasRange, Limit, Predicate

Between: TypeAlias = tuple[int | None, int | None]
"""The first and the last primary date, in microseconds since 1970; None where there is no bound."""

EVER: Between = (None, None)


def is_listed(predicate: Predicate) -> bool:
    """Tell whether what a predicate finds stands together in every list, at one of its ends or between bounds."""
    return (
        isinstance(predicate, HasRange)
        and predicate.primary
        and not any(
            each.end == "high" and each.operator in {">", ">="} for each in predicate.limits
        )
    )


def primary_bounds(predicate: Predicate) -> Between:
    """Return the first and last primary date that a match can have, None where there is no bound."""
    match predicate:
        case HasRange(limits=limits, primary=True):
            return _bounds(limits)
        case AllOf(parts) if parts:
            return narrower(*map(primary_bounds, parts))
        case AnyOf(parts) if parts:
            lows, highs = zip(*map(primary_bounds, parts), strict=True)
            return (
                None if None in lows else min(lows),
                None if None in highs else max(highs),
            )
        case _:
            return None, None


def _bounds(limits: Sequence[Limit]) -> Between:
    """Return the bounds of where a range begins: what ends before a moment begins before it, too."""
    low, high = [], []
    for limit in limits:
        match limit:
            case Limit("low", ">" | ">=", int(value)):
                low.append(value)
            case Limit(_, "<" | "<=", int(value)):
                high.append(value)
            case _:
                # Where a range ends says nothing of where it begins.
                continue
    return max(low, default=None), min(high, default=None)


def narrower(*bounds: Between) -> Between:
    """Return what keeps all of these bounds."""
    lows, highs = zip(*bounds, strict=True)
    return (
        max((each for each in lows if each is not None), default=None),
        min((each for each in highs if each is not None), default=None),
    )
