"""Where a page begins, in the order of primary dates: one way or the other, what has no date always last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from fhir_server.search.record import NO_DATE
from fhir_server.storage.sqlite.translation import Condition, Source

Place: TypeAlias = tuple[int, int]
"""Primary date and rid of a resource."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of places that an index holds in order, with the condition that bounds it."""

    descending: bool
    bounds: tuple[tuple[str, tuple[int, ...]], ...]

    def bound(self, source: Source, condition: Condition) -> str:
        """Add the bounds to a condition; return the ORDER BY that the index serves."""
        for text, values in self.bounds:
            condition.add(text.format(date=source.primary_date, rid=source.rid), *values)
        way = "DESC" if self.descending else "ASC"
        return f" ORDER BY {source.primary_date} {way}, {source.rid} {way}"


@dataclass(frozen=True, slots=True)
class Window:
    """The places that follow one (None: all), the latest first or the earliest first."""

    after: Place | None = None
    descending: bool = True

    def runs(self) -> Iterator[Run]:
        """Yield the stretches to read one after the other."""
        comparison = "<" if self.descending else ">"
        after = (
            () if self.after is None else ((f"({{date}}, {{rid}}) {comparison} (?,?)", self.after),)
        )
        if self.descending:
            yield Run(descending=True, bounds=after)
            return
        if self.after is None or self.after[0] != NO_DATE:
            yield Run(descending=False, bounds=(*after, ("{date} > ?", (NO_DATE,))))
            after = ()
        yield Run(descending=False, bounds=(*after, ("{date} = ?", (NO_DATE,))))

    def arranged(self, places: Iterable[Place]) -> list[Place]:
        """Return the places within the window in its order, for those that no index has in order."""
        if self.descending:
            return sorted((e for e in places if self.after is None or e < self.after), reverse=True)
        start = None if self.after is None else _rising(self.after)
        return sorted((e for e in places if start is None or start < _rising(e)), key=_rising)


def _rising(place: Place) -> tuple[bool, Place]:
    return place[0] == NO_DATE, place
