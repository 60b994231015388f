"""The resources of one type by a date, number or quantity: a walk over the index of ranges, and past its crowds.

A crowd is so many with one value that all candidates are read in page order instead, and those that have it met.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any, TypeAlias

from fhir_server.search.expression import SortKey
from fhir_server.search.planning import OPEN, SPANS
from fhir_server.search.record import SEPARATOR
from fhir_server.storage.sqlite.index import axis_key
from fhir_server.storage.sqlite.leads import Leads
from fhir_server.storage.sqlite.translation import Condition
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.walking import (
    LARGE,
    Row,
    Start,
    Step,
    TooFar,
    steps_of,
    value_of_row,
)
from fhir_server.storage.sqlite.windows import Place, Window

GATHERED = 100_000
"""How many index rows a walk holds at most, to bring them into order."""

CROWD = 20_000
"""Above so many resources with one date or number they are a crowd."""

InOrder: TypeAlias = Callable[[Window], Iterator[Place]]
"""The candidates of a search within a window, in its order."""

COUNT_DATE = """
SELECT count(*) FROM (SELECT 1 FROM resource WHERE type=? AND deleted=0 AND primary_date=? LIMIT ?)
"""

_Span: TypeAlias = tuple[Any, Any, Place]


def is_crowded_day(view: View, date: int) -> bool:
    """Tell whether a crowd of resources has one primary date."""
    number: int = view.connection.execute(COUNT_DATE, (view.kind, date, CROWD + 1)).get
    return number > CROWD


class SpanWalk:
    """By where a range begins, or, the greatest first, by where it ends; `equals` is the window of those of one value."""

    def __init__(self, view: View, key: SortKey, in_order: InOrder, equals: Window) -> None:
        self._view = view
        self._key = key
        self._in_order = in_order
        self._equals = equals
        self._axes = [
            (axis_key(view.kind, axis, span), span)
            for code in key.codes
            for axis, span in self._axes_of(code)
        ]

    def _axes_of(self, code: str) -> Iterable[tuple[str, int]]:
        match self._key.kind:
            case "quantity":
                return Leads(self._view).axes_of(code + SEPARATOR)
            case "date":
                return ((code, span) for span in range(OPEN + 1))
            case _:
                # Numbers are points, or in the class of open ranges.
                return ((code, 0), (code, OPEN))

    def steps(self, start: Start | None) -> Iterator[Step]:
        """See Walk.steps."""
        if start is not None and start.among is not None and self.is_crowded(start.value):
            yield from steps_of(start.value, self._in_order(start.among))
            start = Start(start.value, None)
        while True:
            for value, rows in groupby(self._rows(start), key=value_of_row):
                among = self._equals
                if start is not None and start.among is not None and value == start.value:
                    among = start.among
                found = list(islice(rows, LARGE + 1))
                if len(found) > LARGE and self.is_crowded(value):
                    yield from steps_of(value, self._in_order(among))
                    # The others that have it are not to be read.
                    start = Start(value, None)
                    break
                places = {place for _, place in (*found, *_bounded(rows))}
                yield from steps_of(value, among.arranged(places))
            else:
                return

    def is_crowded(self, value: Any) -> bool:
        """Tell whether a crowd of resources has a value."""
        number = 0
        for axis, span in self._axes:
            condition = Condition()
            condition.add("axis=?", axis)
            if self._key.descending and self._key.kind == "date" and span != OPEN:
                condition.add("low BETWEEN ? AND ?", value - SPANS[span], value)
            condition.add("high=?" if self._key.descending else "low=?", value)
            number += self._view.connection.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM span WHERE {condition.text} LIMIT ?)",  # noqa: S608 - constants
                (*condition.values, CROWD + 1 - number),
            ).get
        return number > CROWD

    def _rows(self, start: Start | None) -> Iterator[Row]:
        """Yield value and place in the order of values alone: enough of a crowd to tell that it is one."""
        stream = self._by_high if self._key.descending else self._by_low
        streams = [stream(axis, span, start) for axis, span in self._axes]
        return heapq.merge(*streams, key=value_of_row, reverse=self._key.descending)

    def _by_low(self, axis: str, _: int, start: Start | None) -> Iterator[Row]:
        rows = self._select(_behind(axis, "low >", start), " ORDER BY low ASC")
        return ((low, place) for low, _, place in rows)

    def _by_high(self, axis: str, span: int, start: Start | None) -> Iterator[Row]:
        if span == OPEN:
            return self._by_end(_behind(axis, "high <", start), None)
        condition = _behind(axis, "low <", start)
        if self._key.kind != "date":
            return (
                (high, place) for _, high, place in self._select(condition, " ORDER BY low DESC")
            )
        if start is not None:
            condition.add("high <= ?", int(start.value) - (start.among is None))
        return self._by_end(condition, SPANS[span])

    def _by_end(self, condition: Condition, longest: int | None) -> Iterator[Row]:
        """Yield intervals of some class, none of which is longer, by falling high."""
        ending = _Ending(longest)
        found: Condition | None = condition
        while found is not None:
            for low, high, place in self._select(found, " ORDER BY low DESC"):
                yield from ending.over(low)
                if ending.add(high, place) == LARGE + 1 and self.is_crowded(high):
                    found = _past_crowd(found, low, high)
                    break
            else:
                found = None
        yield from ending.rest()

    def _select(self, condition: Condition, order: str) -> Iterator[_Span]:
        rows = self._view.connection.execute(
            f"SELECT low, high, primary_date, rid FROM span WHERE {condition.text}{order}",  # noqa: S608 - constants
            condition.values,
        )
        return ((low, high, (date, rid)) for low, high, date, rid in rows)


class _Ending:
    """Intervals that come by falling low, held until none that is still to come can end later."""

    def __init__(self, longest: int | None) -> None:
        self._longest = longest
        self._ends: list[int] = []
        self._waiting: dict[Any, set[Place]] = defaultdict(set)
        self._number = 0

    def add(self, high: Any, place: Place) -> int:
        """Hold one; return how many end with it. Raise TooFar if they are too many together."""
        if self._longest is not None and high not in self._waiting:
            heapq.heappush(self._ends, -high)
        places = self._waiting[high]
        self._number -= len(places)
        places.add(place)
        self._number += len(places)
        if self._number > GATHERED:
            raise TooFar
        return len(places)

    def over(self, low: Any) -> Iterator[Row]:
        """Yield those that end later than one of the greatest length does that begins here."""
        while self._longest is not None and self._ends and -self._ends[0] > low + self._longest:
            yield from self._of(-heapq.heappop(self._ends))

    def rest(self) -> Iterator[Row]:
        """Yield all that are still held."""
        for end in sorted(self._waiting, reverse=True):
            yield from self._of(end)

    def _of(self, end: Any) -> Iterator[Row]:
        places = self._waiting.pop(end)
        self._number -= len(places)
        return ((end, each) for each in places)


def _behind(axis: str, bound: str, start: Start | None) -> Condition:
    """Return the condition of what a start leaves of an axis, bounded by one of its ends."""
    condition = Condition()
    condition.add("axis=?", axis)
    if start is not None:
        condition.add(f"{bound}{'' if start.among is None else '='} ?", start.value)
    return condition


def _past_crowd(found: Condition, low: Any, high: Any) -> Condition:
    """Return the condition of what is still to come, but for those that end with a crowd.

    SQLite seeks the bound that is named first.
    """
    (axis, *others), (name, *values) = found.parts, found.values
    return Condition([axis, "low <= ?", *others, "high <> ?"], [name, low, *values, high])


def _bounded(rows: Iterable[Row]) -> list[Row]:
    """Return rows that must be held at once; raise TooFar if there are too many."""
    found = list(islice(rows, GATHERED + 1))
    if len(found) > GATHERED:
        raise TooFar
    return found
