"""The index rows of resources: their terms and spans, written by difference and many at a time.

New rows wait until something must see them, and are then inserted term by term and axis by axis: a large group of
writes so meets each page once, or a few times in a row, instead of once for each of its rows. To have the rows of one
term in order as well would cost the sorting four times as much, and spare SQLite nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import itemgetter

import apsw

from fhir_server.search.planning import span_class
from fhir_server.search.record import ANY_CONTAINED, IndexRecord, inside, posted_terms

Place = tuple[int, int, int]
"""Where index rows point: primary date, rid, owner class."""

Span = tuple[str, int | str, int | str]
"""Axis with span class, low and high end."""


INSERT_TERM = "INSERT OR IGNORE INTO term VALUES(?,?,?,?)"
DELETE_TERM = "DELETE FROM term WHERE term=? AND primary_date=? AND rid=?"
INSERT_SPAN = "INSERT OR IGNORE INTO span VALUES(?,?,?,?,?,?)"
DELETE_SPAN = "DELETE FROM span WHERE axis=? AND low=? AND rid=? AND high=?"


_LIST = itemgetter(0)


@lru_cache(maxsize=4096)
def axis_key(resource_type: str, axis: str, span: int) -> str:
    """Return an axis and span class as the span table has them."""
    return f"{resource_type}.{axis}.{span}"


def posted(record: IndexRecord) -> tuple[str, ...]:
    """Return the terms that have posting lists, one for each compartment among them."""
    return (*posted_terms(record), *map(compartment_term, record.compartments))


def posted_spans(kind: str, record: IndexRecord) -> set[Span]:
    """Return the rows of a record's ranges, but for where they point."""
    return {
        (axis_key(kind, each.axis, span_class(each.low, each.high)), each.low, each.high)
        for each in record.ranges
    }


def rows_inside(record: IndexRecord) -> Iterator[tuple[str, set[str], set[Span]]]:
    """Yield what is posted of the contained resources of each type, as `posted` and `posted_spans`.

    They are found at the place of their container, which alone has the compartments.
    """
    for kind in dict.fromkeys(name for name, _ in record.contained):
        own = [each for name, each in record.contained if name == kind]
        terms = {ANY_CONTAINED}.union(*map(posted_terms, own))
        yield inside(kind), terms, set().union(*(posted_spans(inside(kind), each) for each in own))


def compartment_term(patient: str) -> str:
    """Return the term of all that is in a patient's compartment."""
    return f"@{patient}"


MOST_WAITING = 300_000
"""Rows that wait at most: what bounds the memory."""


class Index:
    """Writes index rows on the writer's connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._terms: list[tuple[str, int, int, int]] = []
        self._spans: list[tuple[str, int | str, int | str, int, int, int]] = []

    def add(self, kind: str, record: IndexRecord, place: Place) -> None:
        """Write all rows of a resource that has none."""
        self._insert(kind, posted(record), posted_spans(kind, record), place)
        if record.contained:
            for each, terms, spans in rows_inside(record):
                self._insert(each, terms, spans, place)

    def remove(self, kind: str, record: IndexRecord, place: Place) -> None:
        """Delete all rows of a resource."""
        self._delete(kind, posted(record), posted_spans(kind, record), place)
        for each, terms, spans in rows_inside(record):
            self._delete(each, terms, spans, place)

    def change(
        self, kind: str, old: IndexRecord, new: IndexRecord, *, before: Place, after: Place
    ) -> None:
        """Write the difference between the old and the new record; all rows if their place, or what is inside, changed."""
        if before != after or old.contained != new.contained:
            self.remove(kind, old, before)
            self.add(kind, new, after)
            return
        gone, come = set(posted(old)), set(posted(new))
        past, present = posted_spans(kind, old), posted_spans(kind, new)
        self._delete(kind, gone - come, past - present, before)
        self._insert(kind, come - gone, present - past, after)

    def flush(self) -> None:
        """Insert the rows that wait: what reads the index next sees them."""
        if self._terms:
            self._terms.sort(key=_LIST)
            self._connection.executemany(INSERT_TERM, self._terms)
        if self._spans:
            self._spans.sort(key=_LIST)
            self._connection.executemany(INSERT_SPAN, self._spans)
        self.drop()

    def drop(self) -> None:
        """Forget the rows that wait: what they belong to is rolled back."""
        self._terms.clear()
        self._spans.clear()

    def _insert(self, kind: str, terms: Iterable[str], spans: Iterable[Span], place: Place) -> None:
        self._terms += [(f"{kind}.{each}", *place) for each in terms]
        self._spans += [(*each, *place) for each in spans]
        if len(self._terms) > MOST_WAITING:
            self.flush()

    def _delete(self, kind: str, terms: Iterable[str], spans: Iterable[Span], place: Place) -> None:
        self.flush()
        self._connection.executemany(DELETE_TERM, [(f"{kind}.{e}", *place[:2]) for e in terms])
        rows = [(axis, low, place[1], high) for axis, low, high in spans]
        self._connection.executemany(DELETE_SPAN, rows)
