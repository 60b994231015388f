"""Where a page begins, in the order of primary dates: one way or the other, what has no date always last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from fhir_server.search.bounds import Between
from fhir_server.search.record import NO_DATE
from fhir_server.storage.sqlite.translation import Condition, Source

SAMPLED = 3
"""The first of several stretches has so many of a sample, of one in 32 a hundred places: a page, and a reserve."""

GROWTH = 4
"""How many times as many the next stretch has."""

Place: TypeAlias = tuple[int, int]
"""Primary date and rid of a resource."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of places that an index holds in order, behind one (None: from its beginning).

    `dated`: those with a date alone; `date`: those with this one.
    """

    descending: bool
    after: Place | None
    dated: bool = False
    date: int | None = None

    def bound(self, source: Source, condition: Condition, first: int | None = None) -> str:
        """Add the bounds to a condition; return the ORDER BY that the index serves.

        `first` is a date that the condition begins at besides. Of two bounds on one side SQLite seeks the one that is
        named first, and reads all between them.
        """
        date, rid = source.primary_date, source.rid
        comparison, way = ("<", "DESC") if self.descending else (">", "ASC")
        if self.date is not None:
            condition.add(f"{date} = ?", self.date)
            if self.after is not None:
                condition.add(f"{rid} {comparison} ?", self.after[1])
        elif self.after is not None:
            condition.add(f"({date}, {rid}) {comparison} (?,?)", *self.after)
        elif self.dated and first is None:
            condition.add(f"{date} > ?", NO_DATE)
        return f" ORDER BY {date} {way}, {rid} {way}"


@dataclass(frozen=True, slots=True)
class Window:
    """The places that follow one (None: all), the latest first or the earliest first; `date`: those of this one alone."""

    after: Place | None = None
    descending: bool = True
    date: int | None = None

    def behind(self, place: Place | None) -> Window:
        """Return the part of it that follows a place."""
        return replace(self, after=place)

    def runs(self) -> Iterator[Run]:
        """Yield the stretches to read one after the other."""
        if self.descending or self.date is not None:
            yield Run(self.descending, self.after, date=self.date)
            return
        after = self.after
        if after is None or after[0] != NO_DATE:
            yield Run(self.descending, after, dated=True)
            after = None
        yield Run(self.descending, after, date=NO_DATE)

    def arranged(self, places: Iterable[Place]) -> list[Place]:
        """Return the places within the window in its order, for those that no index has in order."""
        found = (each for each in places if self.date is None or each[0] == self.date)
        if self.descending:
            return sorted((e for e in found if self.after is None or e < self.after), reverse=True)
        start = None if self.after is None else _rising(self.after)
        return sorted((e for e in found if start is None or start < _rising(e)), key=_rising)


def falling(dates: Iterable[int], latest: int | None) -> Iterator[Between]:
    """Yield stretches from the latest date down that hold more and more, cut where a sample of the dates tells to."""
    found = sorted(dates, reverse=True)
    last, place = latest, SAMPLED
    while place < len(found):
        first = found[place]
        if last is None or first <= last:
            yield first, last
            last = first - 1
        place *= GROWTH
    yield None, last


def _rising(place: Place) -> tuple[bool, Place]:
    return place[0] == NO_DATE, place
