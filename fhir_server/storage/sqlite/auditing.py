"""The audit log in SQLite: entries are committed in blocks, with the writer's groups, each linked to the one before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import apsw

from fhir_server.fhir.resource import Key
from fhir_server.search.record import ids_among
from fhir_server.storage.auditing import Extent, Publish
from fhir_server.storage.logbook import (
    Link,
    Waiting,
    linked,
    packed_entries,
    sealed,
    unpacked_entries,
)
from fhir_server.storage.sqlite.owners import unpacked_patients

LATEST = "SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1"
APPEND = "INSERT INTO audit VALUES(?,?,?,?)"
SEAL = "UPDATE audit_state SET number=?, seal=?"
MAKE_KEY = "INSERT OR IGNORE INTO secret VALUES('audit', ?)"
SEALING_KEY = "SELECT value FROM secret WHERE name='audit'"
EXTENT = "SELECT number, published FROM audit_state"
PUBLISH = "UPDATE audit_state SET published=? WHERE published=?"
FOLLOWING = "SELECT number, content FROM audit WHERE number>? ORDER BY number"
MENTIONED = """
SELECT o.patients FROM resource r LEFT JOIN history h ON h.rid=r.rid AND h.version=?3
JOIN owner o ON o.owner=CASE r.version WHEN ?3 THEN r.owner ELSE h.owner END
WHERE r.type=?1 AND r.id=?2
"""


class Log(Waiting):
    """What waits to be logged, and how it is written."""

    def __init__(self, connection: apsw.Connection, wake: Callable[[], None]) -> None:
        super().__init__(wake)
        self._connection = connection

    def write(self, entries: Sequence[bytes], moment: int) -> None:
        """Write a block within the open transaction."""
        run = self._connection.execute
        before = Link(*(run(LATEST).fetchone() or Link()))
        content = packed_entries(entries)
        end = linked(before, before.number + len(entries), moment, content)
        run(MAKE_KEY, (os.urandom(32),))
        run(APPEND, (end.number, moment, content, end.digest))
        run(SEAL, (end.number, sealed(run(SEALING_KEY).get, end)))


class SQLiteAuditLog:
    """An AuditLog in the file of a store: see `fhir_server.storage.auditing.AuditLog`."""

    def __init__(self, connection: apsw.Connection, log: Log) -> None:
        self._connection = connection
        self._log = log

    async def append(self, entry: bytes, *, durable: bool) -> None:
        """See AuditLog.append."""
        await self._log.append(entry, durable=durable)

    async def extent(self) -> Extent:
        """See AuditLog.extent."""
        await self._log.settled()
        return Extent(*self._connection.execute(EXTENT).get)

    async def entries(self, after: int, most: int) -> Sequence[bytes]:
        """See AuditLog.entries."""
        found: list[bytes] = []
        for number, content in self._connection.execute(FOLLOWING, (after,)):
            block = unpacked_entries(content)
            start = max(0, after - number + len(block))
            found += [bytes(each) for each in block[start : start + most - len(found)]]
            if len(found) == most:
                break
        return found

    async def concerned(self, versions: Sequence[tuple[Key, int]]) -> Sequence[tuple[str, ...]]:
        """See AuditLog.concerned."""
        return list(self._concerned(versions))

    def _concerned(self, versions: Sequence[tuple[Key, int]]) -> Iterator[tuple[str, ...]]:
        for key, version in versions:
            packed = self._connection.execute(MENTIONED, (key.type, key.id, version)).get
            yield () if packed is None else tuple(ids_among(unpacked_patients(packed).mentions))


def publish(connection: apsw.Connection, op: Publish) -> bool:
    """Note up to where AuditEvents are made; tell whether others were not faster."""
    connection.execute(PUBLISH, (op.until, op.expected))
    return bool(connection.changes())
