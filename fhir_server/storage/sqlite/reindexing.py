"""Index every resource anew, a few hundred in one transaction: a running server goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.search.defaults import DEFAULT_ZONE
from fhir_server.search.record import IndexRecord, packed, unpacked
from fhir_server.search.telling import TELLING
from fhir_server.storage.contract import Draft
from fhir_server.storage.sqlite import cataloguing
from fhir_server.storage.sqlite.denials import Denials
from fhir_server.storage.sqlite.index import Index
from fhir_server.storage.sqlite.marking import (
    is_indexed,
    mark_indexed,
    refuse_half_copied,
    unmark_indexed,
)
from fhir_server.storage.sqlite.owners import Owners
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.secrets import secret_of
from fhir_server.storage.sqlite.telling import tell, tell_of_past
from fhir_server.storage.sqlite.words import DROP
from fhir_server.storage.upkeep import Extract, People, Progress

TOGETHER = 500

SELECT = """
SELECT rid, type, id, version, primary_date, owner, record, body FROM resource
WHERE rid>? AND deleted=0 ORDER BY rid LIMIT ?
"""
FORGET_AUDIENCES = "DELETE FROM audience; DELETE FROM denial"
FORGET_PEOPLE = """
DELETE FROM register WHERE name='people'; DELETE FROM person; DELETE FROM fact; DELETE FROM audience; DELETE FROM denial
"""
PEOPLE_KNOWN = "INSERT INTO register VALUES('people', 0, 0)"
UPDATE = "UPDATE resource SET primary_date=?, owner=?, record=? WHERE rid=?"


def reindex(
    path: Path,
    extract: Extract,
    *,
    generation: int = 0,
    people: People | None = None,
    zone: str = DEFAULT_ZONE,
) -> Iterator[Progress]:
    """Write all index rows anew from the bodies; yield how far it is; raise Unavailable if that fails.

    Without `people` it stays unknown who they are. The rest is as in Upkeep.reindex.
    """
    connection = connect(path)
    try:
        refuse_half_copied(connection)
        total: int = connection.execute("SELECT count(*) FROM resource WHERE deleted=0").get
        # The index of words is made anew when it is next asked for.
        connection.execute(DROP)
        if not is_indexed(connection, zone):
            # Neither as it was nor as it shall be, until all of it is done.
            unmark_indexed(connection)
            # What another release wrote by other rules, this one would not find to delete it.
            connection.execute("DELETE FROM term; DELETE FROM span")
        connection.execute(FORGET_PEOPLE if people else FORGET_AUDIENCES)
        denials = None
        if people is not None:
            denials = Denials(connection, people.enforcement, key=secret_of(path, "people"))
        work = _Work(connection, extract, generation, _retelling(denials, people))
        done, last = 0, 0
        while rows := work.some(last):
            done, last = done + len(rows), rows[-1]
            yield Progress(done, total)
        tell_of_past(connection, extract)
        if denials is not None:
            denials.name_all()
            connection.execute(PEOPLE_KNOWN)
        mark_indexed(connection, zone)
    except apsw.Error as problem:
        raise Unavailable(f"The store {path} cannot be indexed: {problem}") from problem
    finally:
        connection.close()


def _retelling(
    denials: Denials | None, people: People | None
) -> Callable[[Key, IndexRecord, bytes], None]:
    """Return what takes in who a resource is of, or what it lays down."""
    if denials is None or people is None:
        return lambda _key, _record, _body: None

    def retell(key: Key, record: IndexRecord, body: bytes) -> None:
        denials.written(Draft(key, b"", b"", record, laid_down=people.lay_down(body)))

    return retell


@dataclass(frozen=True, slots=True)
class _Work:
    connection: apsw.Connection
    extract: Extract
    generation: int
    retell: Callable[[Key, IndexRecord, bytes], None]

    def some(self, last: int) -> list[int]:
        """Index the resources that follow, in one transaction; return their rids."""
        connection = self.connection
        index, owners = Index(connection), Owners(connection, lambda _made, _people: None)
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            if cataloguing.generation(connection) != self.generation:
                raise Unavailable(
                    "The search parameters have changed meanwhile; please run it again"
                )
            rows = connection.execute(SELECT, (last, TOGETHER)).fetchall()
            for row in rows:
                self._one(index, owners, row)
            index.flush()
            # Worked out anew when each audience next asks: until then it sees nothing.
            connection.execute(FORGET_AUDIENCES)
        connection.execute("COMMIT")
        return [int(str(row[0])) for row in rows]

    def _one(self, index: Index, owners: Owners, row: tuple[Any, ...]) -> None:
        rid, kind, logical_id, version, primary_date, owner, kept, body = row
        record = self.extract(body)
        # All of its rows, not the difference: one that is missing comes back.
        index.remove(kind, unpacked(kept), (primary_date, rid, owner))
        place = record.primary, rid, owners.intern(record)
        index.add(kind, record, place)
        self.connection.execute(UPDATE, (record.primary, place[2], packed(record), rid))
        if kind in TELLING:
            tell(self.connection, record, rid, version)
        self.retell(Key(kind, logical_id), record, body)
