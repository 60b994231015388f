"""The index rows of a resource: its terms, its spans and its owner class, written by difference."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import apsw
import msgspec

from fhir_server.search.planning import span_class
from fhir_server.search.record import IndexRecord, posted_terms

Place = tuple[int, int, int]
"""Where index rows point: primary date, rid, owner class."""

Span = tuple[str, int | str, int | str]
"""Axis with span class, low and high end."""


def packed_patients(record: IndexRecord) -> bytes:
    """Return what tells one owner class from another."""
    return msgspec.msgpack.encode((record.compartments, record.mentions))


REMEMBERED = 100_000
"""Owner classes whose number is kept in memory."""

INSERT_TERM = "INSERT OR IGNORE INTO term VALUES(?,?,?,?)"
DELETE_TERM = "DELETE FROM term WHERE term=? AND primary_date=? AND rid=?"
INSERT_SPAN = "INSERT OR IGNORE INTO span VALUES(?,?,?,?,?,?)"
DELETE_SPAN = "DELETE FROM span WHERE axis=? AND low=? AND rid=? AND high=?"


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


def compartment_term(patient: str) -> str:
    """Return the term of all that is in a patient's compartment."""
    return f"@{patient}"


def add(connection: apsw.Connection, kind: str, record: IndexRecord, place: Place) -> None:
    """Write all rows of a resource that has none."""
    _insert_terms(connection, kind, posted(record), place)
    _insert_spans(connection, posted_spans(kind, record), place)


def remove(connection: apsw.Connection, kind: str, record: IndexRecord, place: Place) -> None:
    """Delete all rows of a resource."""
    _delete_terms(connection, kind, posted(record), place)
    _delete_spans(connection, posted_spans(kind, record), place)


def change(
    connection: apsw.Connection,
    kind: str,
    records: tuple[IndexRecord, IndexRecord],
    places: tuple[Place, Place],
) -> None:
    """Write the difference between the old and the new record; all rows if their place changed."""
    old, new = records
    before, after = places
    if before != after:
        remove(connection, kind, old, before)
        add(connection, kind, new, after)
        return
    if old.terms != new.terms:
        gone, come = set(posted(old)), set(posted(new))
        _delete_terms(connection, kind, gone - come, before)
        _insert_terms(connection, kind, come - gone, after)
    if old.ranges != new.ranges:
        past, present = posted_spans(kind, old), posted_spans(kind, new)
        _delete_spans(connection, past - present, before)
        _insert_spans(connection, present - past, after)


def _insert_terms(
    connection: apsw.Connection, kind: str, terms: Iterable[str], place: Place
) -> None:
    connection.executemany(INSERT_TERM, [(f"{kind}.{each}", *place) for each in terms])


def _insert_spans(connection: apsw.Connection, spans: Iterable[Span], place: Place) -> None:
    connection.executemany(INSERT_SPAN, [(*each, *place) for each in spans])


def _delete_terms(
    connection: apsw.Connection, kind: str, terms: Iterable[str], place: Place
) -> None:
    connection.executemany(DELETE_TERM, [(f"{kind}.{each}", *place[:2]) for each in terms])


def _delete_spans(connection: apsw.Connection, spans: Iterable[Span], place: Place) -> None:
    rows = [(axis, low, place[1], high) for axis, low, high in spans]
    connection.executemany(DELETE_SPAN, rows)


class Owners:
    """Interns owner classes; what a rolled back transaction made is forgotten."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: dict[bytes, int] = {}
        self._new: list[bytes] = []

    def intern(self, record: IndexRecord) -> int:
        """Return the owner class of the patients that the record names."""
        patients = packed_patients(record)
        known = self._known.get(patients)
        if known is None:
            known = self._find(patients) or self._make(patients, record)
            if len(self._known) > REMEMBERED:
                self._known.clear()
            self._known[patients] = known
        return known

    def forget(self) -> None:
        """Know nothing any more."""
        self._known.clear()

    def committed(self) -> None:
        """Keep what was made: it is durable."""
        self._new.clear()

    def rolled_back(self) -> None:
        """Forget what was made since the last commit."""
        for patients in self._new:
            self._known.pop(patients, None)
        self._new.clear()

    def _find(self, patients: bytes) -> int | None:
        found = self._connection.execute(
            "SELECT owner FROM owner WHERE patients=?", (patients,)
        ).fetchone()
        return found[0] if found else None

    def _make(self, patients: bytes, record: IndexRecord) -> int:
        self._connection.execute("INSERT INTO owner(patients) VALUES(?)", (patients,))
        made = self._connection.last_insert_rowid()
        rows = {(each, 1, made) for each in record.compartments}
        rows |= {(each, 0, made) for each in record.mentions}
        self._connection.executemany("INSERT INTO owned VALUES(?,?,?)", sorted(rows))
        self._new.append(patients)
        return made
