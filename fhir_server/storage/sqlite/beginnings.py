"""Where that begins what is going on at a date, or comes after it: lists by primary date are read from there.

What ends at a date or later may begin long before it, and stands in every list where it begins. Lists are read in two
stretches: what begins at the date or later, and what begins before it, from where the index of ranges says that the
first of these stands. No list is read from its far end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.search.bounds import Between
from fhir_server.search.expression import AnyOf, HasRange, Limit, Predicate
from fhir_server.search.planning import OPEN, tightened
from fhir_server.storage.sqlite.index import axis_key
from fhir_server.storage.sqlite.translation import Condition, add_limits
from fhir_server.storage.sqlite.view import View

LOOKED_AT = 32
"""How many ranges of one class are looked at, to find the first that has not ended: it need not be found."""

_COLUMNS = {"low": "low", "high": "high"}


@dataclass(frozen=True, slots=True)
class GoingOn:
    """Alternatives of primary dates, one of which says where a range ends at the earliest, and not where it begins.

    `date` is the first of all that they name, in microseconds since 1970.
    """

    alternatives: tuple[HasRange, ...]
    date: int

    @property
    def later(self) -> Between:
        """Where those stand that begin at the date or later."""
        return self.date, None

    def earlier(self, view: View) -> Between | None:
        """Return where, in this transaction, those stand that begin before the date; None if there are none."""
        before = Limit("low", "<", self.date)
        firsts = [
            _first(view, replace(each, limits=(*each.limits, before)), span)
            for each in self.alternatives
            if not any(e.end == "low" and int(e.value) >= self.date for e in _froms(each))
            for span in range(OPEN + 1)
        ]
        found = [each for each in firsts if each is not None]
        return (min(found), self.date - 1) if found else None


def going_on(parts: Iterable[Predicate]) -> GoingOn | None:
    """Return the first of the conjuncts that is such a disjunction, or one of these ranges alone."""
    for each in parts:
        alternatives = each.predicates if isinstance(each, AnyOf) else (each,)
        ranges = tuple(e for e in alternatives if isinstance(e, HasRange) and e.primary)
        dates = [_dates(e) for e in ranges]
        if (
            ranges
            and len(ranges) == len(alternatives)
            and all(dates)
            and any(map(_is_open, ranges))
        ):
            return GoingOn(ranges, min(map(max, dates)))
    return None


def _froms(part: HasRange) -> list[Limit]:
    return [each for each in part.limits if each.operator in {">", ">="}]


def _dates(part: HasRange) -> list[int]:
    return [int(each.value) for each in _froms(part)]


def _is_open(part: HasRange) -> bool:
    return {each.end for each in _froms(part)} == {"high"}


def _first(view: View, asked: HasRange, span: int) -> int | None:
    """Return where the first range of a class begins that may keep the limits, None where there is none."""
    limits, ends, found = tightened(asked.limits, span), Condition(), Condition()
    add_limits([each for each in limits if each.end == "high"], _COLUMNS, ends)
    found.add("axis=?", axis_key(view.kind, asked.axis, span))
    add_limits([each for each in limits if each.end == "low"], _COLUMNS, found)
    rows: list[Any] = view.connection.execute(
        f"SELECT low, {ends.text} FROM span WHERE {found.text} ORDER BY low LIMIT ?",  # noqa: S608 - constants
        (*ends.values, *found.values, LOOKED_AT),
    ).fetchall()
    kept = [int(low) for low, keeps in rows if keeps]
    if not kept and len(rows) == LOOKED_AT:
        # What keeps the limits begins after so many that have ended, if there is any.
        return int(rows[-1][0])
    return min(kept, default=None)
