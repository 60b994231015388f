"""The resources of one type by the values of a parameter, read from an index that is in their order.

A walk yields steps: values in order, and resources of the same value in the order of a window, that of primary dates.
It meets a resource at each of its values, visible or not: where a resource stands, and whether, is for its record to
tell.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

from fhir_server.search.expression import Predicate, SortKey, Updated
from fhir_server.search.matching import MARKERS, value_of
from fhir_server.search.ordering import SortValue
from fhir_server.search.record import SEPARATOR, prefix_end
from fhir_server.storage.sqlite.leads import Leads
from fhir_server.storage.sqlite.translation import Condition, add_limits
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.windows import Place, Run, Window

LARGE = 1_000
"""Above so many resources with one term its posting list is read, which is in page order; fewer are sorted."""

Step: TypeAlias = tuple[SortValue, int]
"""A value, and the surrogate id of a resource that has it."""

Row: TypeAlias = tuple[Any, Place]
value_of_row = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a walk begins: at this value, within a window of those that have it; or `past` the value (None)."""

    value: int | str
    among: Window | None


class TooFar(Exception):
    """The walk would look at, or hold, more than one page may cost."""


class Walk(Protocol):
    """The order of one key."""

    def steps(self, start: Start | None) -> Iterator[Step]:
        """Yield the steps from there on."""
        ...


COLUMNS = {"_id": "id", "_lastUpdated": "moment"}
"""Keys of which each resource has a value, in a column of its own."""


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
    """By a string, token, reference or URI; `equals` is the window of all that have the same value."""

    def __init__(self, view: View, key: SortKey, equals: Window) -> None:
        self._view = view
        self._equals = equals
        self._leads = Leads(view)
        self._descending = key.descending
        self._prefixes = [code + MARKERS[key.kind] for code in key.codes]

    def steps(self, start: Start | None) -> Iterator[Step]:
        """See Walk.steps."""
        beyond: str | None = None
        if start is not None:
            beyond = str(start.value)
            if start.among is not None:
                yield from self._of_value(beyond, start.among)
        while True:
            for value, rows in groupby(self._rows(beyond), key=value_of_row):
                beyond = str(value)
                places = [place for _, place in islice(rows, LARGE + 1)]
                if len(places) > LARGE:
                    yield from self._of_value(beyond, self._equals)
                    break
                yield from steps_of(value, self._equals.arranged(set(places)))
            else:
                return

    def _rows(self, beyond: str | None) -> Iterator[Row]:
        """Yield value and place in the order of values alone, those past a value."""
        streams = [self._of_prefix(each, beyond) for each in self._prefixes]
        if len(streams) == 1:
            return streams[0]
        return heapq.merge(*streams, key=value_of_row, reverse=self._descending)

    def _of_prefix(self, prefix: str, beyond: str | None) -> Iterator[Row]:
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

    def _of_value(self, value: str, among: Window) -> Iterator[Step]:
        """Yield the resources of one value from its posting lists, which are in page order."""
        for run in among.runs():
            streams = [self._posting(term, run) for term in self.terms(value)]
            merged = heapq.merge(*streams, reverse=run.descending)
            yield from steps_of(value, (place for place, _ in groupby(merged)))

    def _posting(self, term: str, run: Run) -> Iterator[Place]:
        source, condition = self._leads.posting(term)
        order = run.bound(source, condition)
        statement = f"SELECT {source.place} FROM {source.table} WHERE {condition.text}{order}"  # noqa: S608 - constants
        return self._view.connection.execute(statement, condition.values)

    def terms(self, value: str) -> Iterator[str]:
        """Yield the terms of a value: a code has one for each of its systems."""
        for term in (prefix + value for prefix in self._prefixes):
            if term.endswith(SEPARATOR):
                yield from self._leads.terms_between(term, prefix_end(term))
            else:
                yield term

    def _last(self, term: str) -> str:
        return prefix_end(term) if term.endswith(SEPARATOR) else term


def steps_of(value: SortValue, places: Iterable[Place]) -> Iterator[Step]:
    """Yield the steps of what has one value."""
    return ((value, rid) for _, rid in places)
