"""The resources of one type by the values of a parameter, read from an index that is in their order.

A walk yields steps: values in order, and resources of the same value in page order. It meets a resource at each of its
values, visible or not: where a resource stands, and whether, is for its record to tell.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

from fhir_server.search.expression import Predicate, SortKey, Updated
from fhir_server.search.matching import MARKERS, value_of
from fhir_server.search.ordering import SortValue
from fhir_server.search.planning import OPEN, SPANS
from fhir_server.search.record import SEPARATOR, prefix_end
from fhir_server.storage.sqlite.index import axis_key
from fhir_server.storage.sqlite.leads import Leads
from fhir_server.storage.sqlite.translation import Condition, add_limits
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.windows import Place, Window

LARGE = 1_000
"""Above so many resources with one term its posting list is read, which is in page order; fewer are sorted."""

GATHERED = 100_000
"""How many index rows a walk holds at most, to bring them into order."""

CROWD = 20_000
"""Above so many resources with one date or number all candidates are read in page order, and those that have it met."""

Step: TypeAlias = tuple[SortValue, int]
"""A value, and the surrogate id of a resource that has it."""

_Row: TypeAlias = tuple[Any, Place]
_Span: TypeAlias = tuple[Any, Any, Place]
_value = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a walk begins: at this value, after a place in page order (None: with the first); or `past` the value."""

    value: int | str
    behind: Place | None
    past: bool = False


class TooFar(Exception):
    """The walk would look at, or hold, more than one page may cost."""


class Walk(Protocol):
    """The order of one key."""

    def steps(self, start: Start | None) -> Iterator[Step]:
        """Yield the steps from there on."""
        ...


InOrder: TypeAlias = Callable[[Window], Iterator[Place]]
"""The candidates of a search within a window, in page order."""

COUNT_DATE = """
SELECT count(*) FROM (SELECT 1 FROM resource WHERE type=? AND deleted=0 AND primary_date=? LIMIT ?)
"""

COLUMNS = {"_id": "id", "_lastUpdated": "moment"}
"""Keys of which each resource has a value, in a column of its own."""


def walk_of(view: View, key: SortKey, predicates: Sequence[Predicate], in_order: InOrder) -> Walk:
    """Return the walk for a key that is not the primary date, past what the predicates rule out at a glance."""
    if key.parameter in COLUMNS:
        return ColumnWalk(view, key, predicates)
    return TermWalk(view, key) if key.kind in MARKERS else SpanWalk(view, key, in_order)


def is_crowded_day(view: View, date: int) -> bool:
    """Tell whether a crowd of resources has one primary date."""
    number: int = view.connection.execute(COUNT_DATE, (view.kind, date, CROWD + 1)).get
    return number > CROWD


class ColumnWalk:
    """By logical id, or by the moment of the latest version: of each value there is one resource."""

    def __init__(self, view: View, key: SortKey, predicates: Sequence[Predicate]) -> None:
        self._view = view
        self._column = COLUMNS[key.parameter]
        self._descending = key.descending
        self._limits = [
            limit for each in predicates if isinstance(each, Updated) for limit in each.limits
        ]

    def steps(self, start: Start | None) -> Iterator[Step]:
        """See Walk.steps."""
        condition = Condition()
        condition.add("type=?", self._view.kind)
        comparison, way = ("<=", "DESC") if self._descending else (">=", "ASC")
        if start is not None:
            condition.add(f"{self._column} {comparison} ?", start.value)
        if self._column == "moment":
            add_limits(self._limits, {"low": "moment", "high": "moment"}, condition)
        return self._view.connection.execute(
            f"SELECT {self._column}, rid FROM resource WHERE {condition.text}"  # noqa: S608 - constants
            f" ORDER BY {self._column} {way}",
            condition.values,
        )


class TermWalk:
    """By a string, token, reference or URI."""

    def __init__(self, view: View, key: SortKey) -> None:
        self._view = view
        self._leads = Leads(view)
        self._descending = key.descending
        self._prefixes = [code + MARKERS[key.kind] for code in key.codes]

    def steps(self, start: Start | None) -> Iterator[Step]:
        """See Walk.steps."""
        beyond: str | None = None
        if start is not None:
            beyond = str(start.value)
            yield from self._of_value(beyond, start.behind)
        while True:
            for value, rows in groupby(self._rows(beyond), key=_value):
                beyond = str(value)
                places = [place for _, place in islice(rows, LARGE + 1)]
                if len(places) > LARGE:
                    yield from self._of_value(beyond, None)
                    break
                yield from _steps(value, sorted(set(places), reverse=True))
            else:
                return

    def _rows(self, beyond: str | None) -> Iterator[_Row]:
        """Yield value and place in the order of values alone, those past a value."""
        streams = [self._of_prefix(each, beyond) for each in self._prefixes]
        if len(streams) == 1:
            return streams[0]
        return heapq.merge(*streams, key=_value, reverse=self._descending)

    def _of_prefix(self, prefix: str, beyond: str | None) -> Iterator[_Row]:
        low, high, comparison, way = prefix, prefix_end(prefix), ">=", "ASC"
        if self._descending:
            high, way = high if beyond is None else prefix + beyond, "DESC"
        elif beyond is not None:
            low, comparison = self._last(prefix + beyond), ">"
        rows = self._view.connection.execute(
            "SELECT term, primary_date, rid FROM term"  # noqa: S608 - constants
            f" WHERE term{comparison}? AND term<? ORDER BY term {way}",
            (self._view.key(low), self._view.key(high)),
        )
        begin = len(self._view.key(prefix))
        return ((value_of(term[begin:]), (date, rid)) for term, date, rid in rows)

    def _of_value(self, value: str, behind: Place | None) -> Iterator[Step]:
        """Yield the resources of one value from its posting lists, which are in page order."""
        (run,) = Window(behind).runs()
        streams = []
        for term in self.terms(value):
            source, condition = self._leads.posting(term)
            order = run.bound(source, condition)
            statement = f"SELECT {source.place} FROM {source.table} WHERE {condition.text}{order}"  # noqa: S608 - constants
            streams.append(self._view.connection.execute(statement, condition.values))
        merged = heapq.merge(*streams, reverse=True)
        return _steps(value, (place for place, _ in groupby(merged)))

    def terms(self, value: str) -> Iterator[str]:
        """Yield the terms of a value: a code has one for each of its systems."""
        for term in (prefix + value for prefix in self._prefixes):
            if term.endswith(SEPARATOR):
                yield from self._leads.terms_between(term, prefix_end(term))
            else:
                yield term

    def _last(self, term: str) -> str:
        return prefix_end(term) if term.endswith(SEPARATOR) else term


class SpanWalk:
    """By a date, number or quantity: by where it begins, or, the greatest first, by where it ends."""

    def __init__(self, view: View, key: SortKey, in_order: InOrder) -> None:
        self._view = view
        self._key = key
        self._in_order = in_order
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
        while True:
            for value, rows in groupby(self._rows(start), key=_value):
                behind = start.behind if start is not None and value == start.value else None
                found = list(islice(rows, LARGE + 1))
                if len(found) > LARGE and self.is_crowded(value):
                    yield from _steps(value, self._in_order(Window(behind)))
                    # The others that have it are not to be read.
                    start = Start(value, None, past=True)
                    break
                places = {place for _, place in (*found, *_bounded(rows))}
                if behind is not None:
                    places = {each for each in places if each < behind}
                yield from _steps(value, sorted(places, reverse=True))
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

    def _rows(self, start: Start | None) -> Iterator[_Row]:
        """Yield value and place in the order of values alone."""
        stream = self._by_high if self._key.descending else self._by_low
        streams = [stream(axis, span, start) for axis, span in self._axes]
        return heapq.merge(*streams, key=_value, reverse=self._key.descending)

    def _by_low(self, axis: str, _: int, start: Start | None) -> Iterator[_Row]:
        rows = self._select(axis, "low >", start, " ORDER BY low ASC")
        return ((low, place) for low, _, place in rows)

    def _by_high(self, axis: str, span: int, start: Start | None) -> Iterator[_Row]:
        if span == OPEN:
            rows = self._select(axis, "high <", start, "")
            found = _bounded((high, place) for _, high, place in rows)
            return iter(sorted(found, key=_value, reverse=True))
        rows = self._select(axis, "low <", start, " ORDER BY low DESC")
        if self._key.kind != "date":
            return ((high, place) for _, high, place in rows)
        last = None if start is None else int(start.value) - start.past
        return _by_end(rows, SPANS[span], last)

    def _select(self, axis: str, bound: str, start: Start | None, order: str) -> Iterator[_Span]:
        condition = Condition()
        condition.add("axis=?", axis)
        if start is not None:
            condition.add(f"{bound}{'' if start.past else '='} ?", start.value)
        rows = self._view.connection.execute(
            f"SELECT low, high, primary_date, rid FROM span WHERE {condition.text}{order}",  # noqa: S608 - constants
            condition.values,
        )
        return ((low, high, (date, rid)) for low, high, date, rid in rows)


def _by_end(rows: Iterator[_Span], longest: int, last: int | None) -> Iterator[_Row]:
    """Yield intervals, which come by falling low, by falling high: those that end at `last` at the latest.

    None that is still to come ends later than one of the greatest length would. Of a crowd that ends together no more
    are held than tell that it is one.
    """
    ends: list[int] = []
    waiting: dict[int, list[Place]] = defaultdict(list)
    number = 0
    for low, high, place in rows:
        while ends and -ends[0] > low + longest:
            end = -heapq.heappop(ends)
            places = waiting.pop(end)
            number -= len(places)
            yield from ((end, each) for each in places)
        if last is not None and high > last:
            continue
        if high not in waiting:
            heapq.heappush(ends, -high)
        if len(waiting[high]) <= CROWD:
            waiting[high].append(place)
            number += 1
        if number > GATHERED:
            raise TooFar
    yield from ((-end, each) for end in sorted(ends) for each in waiting[-end])


def _bounded(rows: Iterable[_Row]) -> list[_Row]:
    """Return rows that must be held at once; raise TooFar if there are too many."""
    found = list(islice(rows, GATHERED + 1))
    if len(found) > GATHERED:
        raise TooFar
    return found


def _steps(value: SortValue, places: Iterable[Place]) -> Iterator[Step]:
    return ((value, rid) for _, rid in places)
