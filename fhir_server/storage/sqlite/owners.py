"""Owner classes: the distinct sets of patients that resources concern, by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import apsw
import msgspec

from fhir_server.policy.labels import labels_of
from fhir_server.search.record import IndexRecord

REMEMBERED = 100_000
"""Owner classes whose number is kept in memory."""


class OwnerClass(NamedTuple):
    """The patients whose compartment a resource is in, all it mentions (`IndexRecord.people`), and its security labels."""

    members: tuple[str, ...]
    mentions: tuple[str, ...]
    labels: tuple[str, ...] = ()


_decode = msgspec.msgpack.Decoder(OwnerClass).decode


def packed_patients(record: IndexRecord) -> bytes:
    """Return what tells one owner class from another."""
    return packed_class(OwnerClass(record.compartments, record.people, labels_of(record)))


def packed_class(owner: OwnerClass) -> bytes:
    """Return an owner class as the table has it."""
    return msgspec.msgpack.encode(owner if owner.labels else owner[:2])


def unpacked_patients(packed: bytes) -> OwnerClass:
    """Return an owner class that `packed_patients` told."""
    return _decode(packed)


class Owners:
    """Interns owner classes, tells of new ones; what a rolled back transaction made is forgotten."""

    def __init__(
        self, connection: apsw.Connection, made: Callable[[int, Sequence[str]], None]
    ) -> None:
        self._connection = connection
        self._tell = made
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
        rows |= {(each, 0, made) for each in record.people}
        self._connection.executemany("INSERT INTO owned VALUES(?,?,?)", sorted(rows))
        self._new.append(patients)
        self._tell(made, record.people)
        return made
