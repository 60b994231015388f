"""The audit log in SQLite: entries are committed in blocks, with the writer's groups, each linked to the one before.

What reads tell waits in memory for the next commit, a tenth of a second at most; so a crash of the process may
lose that much of it, unless whoever told it waits (`durable`).
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from hmac import digest as keyed
from typing import NamedTuple

import apsw
import msgspec

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.storage.auditing import Extent, Publish
from fhir_server.storage.sqlite.owners import unpacked_patients

LINGER = 0.1
"""Seconds that an entry may wait for others to be committed with."""

TOGETHER = 500
"""Entries for which no others are waited for."""

MOST_WAITING = 10_000
"""Entries that wait in memory; who brings more waits too."""

PATIENCE = 10.0
"""Seconds to wait for room before it is given up."""

AGAIN = 0.5
"""Seconds after which a commit that failed is tried again."""

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

_unpacked = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


class Link(NamedTuple):
    """The end of a chain: the number of its last entry, and its digest; nothing was before the first."""

    number: int = 0
    digest: bytes = b""


def packed_entries(entries: Sequence[bytes]) -> bytes:
    """Return entries as a block keeps them: a compressed array of msgpack."""
    return zlib.compress(b"\xdd" + len(entries).to_bytes(4) + b"".join(entries), 1)


def unpacked_entries(content: bytes) -> list[bytes]:
    """Return the entries of a block; raise ValueError for what is none."""
    try:
        return [bytes(each) for each in _unpacked(zlib.decompress(content))]
    except (zlib.error, msgspec.DecodeError) as problem:
        raise ValueError(f"no block of entries: {problem}") from problem


def linked(before: Link, number: int, moment: int, content: bytes) -> Link:
    """Return the link of a block."""
    told = before.digest + number.to_bytes(8) + moment.to_bytes(8) + content
    return Link(number, sha256(told).digest())


def sealed(key: bytes, end: Link) -> bytes:
    """Return what tells, by a secret of the store, where its log ends."""
    return keyed(key, end.number.to_bytes(8) + end.digest, "sha256")


class Log:
    """What waits to be logged, and how it is; of one writer, on its event loop. `wake` asks for a commit."""

    def __init__(self, connection: apsw.Connection, wake: Callable[[], None]) -> None:
        self._connection = connection
        self._wake = wake
        self._waiting: list[bytes] = []
        self._appended = 0
        self._durable = 0
        self._followed: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.is_due = False

    async def append(self, entry: bytes, *, durable: bool) -> None:
        """See AuditLog.append."""
        if len(self._waiting) >= MOST_WAITING:
            await self._until(self._appended - MOST_WAITING + 1)
        self._waiting.append(entry)
        self._appended += 1
        if durable:
            await self.settled()
        elif len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(LINGER, self.hasten)
        elif len(self._waiting) >= TOGETHER:
            self.hasten()

    async def settled(self) -> None:
        """Return once all that was appended is durable."""
        if self._waiting:
            await self._until(self._appended)

    def hasten(self) -> None:
        """Have what waits committed."""
        if self._waiting and not self.is_due:
            self.is_due = True
            self._wake()

    def taken(self) -> list[bytes]:
        """Return what waits, to be committed now."""
        self.is_due = False
        return list(self._waiting)

    def write(self, entries: Sequence[bytes], moment: int) -> None:
        """Write a block within the open transaction."""
        run = self._connection.execute
        before = Link(*(run(LATEST).fetchone() or Link()))
        content = packed_entries(entries)
        end = linked(before, before.number + len(entries), moment, content)
        run(MAKE_KEY, (os.urandom(32),))
        run(APPEND, (end.number, moment, content, end.digest))
        run(SEAL, (end.number, sealed(run(SEALING_KEY).get, end)))

    def committed(self, number: int) -> None:
        """Note that so many of what waited are durable."""
        del self._waiting[:number]
        self._durable += number
        while self._followed and self._followed[0][0] <= self._durable:
            _, future = self._followed.popleft()
            if not future.done():
                future.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_later(LINGER, self.hasten)

    def failed(self) -> None:
        """Tell those who wait that it could not be committed; it is kept, and tried again."""
        while self._followed:
            _, future = self._followed.popleft()
            if not future.done():
                future.set_exception(Unavailable("The audit log cannot be written"))
        if self._waiting:
            asyncio.get_running_loop().call_later(AGAIN, self.hasten)

    async def _until(self, number: int) -> None:
        """Return once so many of all that was ever appended are durable; raise Unavailable."""
        future = asyncio.get_running_loop().create_future()
        self._followed.append((number, future))
        self.hasten()
        try:
            async with asyncio.timeout(PATIENCE):
                await future
        except TimeoutError:
            raise Unavailable("The audit log cannot be written as fast as it grows") from None


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
            found += block[max(0, after - number + len(block)) :]
            if len(found) >= most:
                break
        return found[:most]

    async def concerned(self, versions: Sequence[tuple[Key, int]]) -> Sequence[tuple[str, ...]]:
        """See AuditLog.concerned."""
        return list(self._concerned(versions))

    def _concerned(self, versions: Sequence[tuple[Key, int]]) -> Iterator[tuple[str, ...]]:
        for key, version in versions:
            packed = self._connection.execute(MENTIONED, (key.type, key.id, version)).get
            yield () if packed is None else unpacked_patients(packed).mentions


def publish(connection: apsw.Connection, op: Publish) -> bool:
    """Note up to where AuditEvents are made; tell whether others were not faster."""
    connection.execute(PUBLISH, (op.until, op.expected))
    return bool(connection.changes())
