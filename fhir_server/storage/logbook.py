"""What any backend's audit log is made of: entries that wait to be committed together, in blocks that are linked.

What reads tell waits in memory for the next commit, a tenth of a second at most; so a crash of the process may
lose that much of it, unless whoever told it waits (`durable`).
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from hmac import digest as keyed
from typing import NamedTuple

import msgspec

from fhir_server.fhir.errors import Unavailable

LINGER = 0.1
"""Seconds that an entry may wait for others to be committed with."""

TOGETHER = 500
"""Entries of a block, for which no others are waited for."""

MOST_WAITING = 10_000
"""Entries that wait in memory; who brings more waits too."""

PATIENCE = 10.0
"""Seconds to wait for room before it is given up."""

AGAIN = 0.5
"""Seconds after which a commit that failed is tried again."""


_unpacked = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


class Link(NamedTuple):
    """The end of a chain: the number of its last entry, and its digest; nothing was before the first."""

    number: int = 0
    digest: bytes = b""


def packed_entries(entries: Sequence[bytes]) -> bytes:
    """Return entries as a block keeps them: a compressed array of msgpack."""
    return zlib.compress(b"\xdd" + len(entries).to_bytes(4) + b"".join(entries), 1)


def unpacked_entries(content: bytes) -> list[msgspec.Raw]:
    """Return the entries of a block; raise ValueError for what is none."""
    try:
        return _unpacked(zlib.decompress(content))
    except (zlib.error, msgspec.DecodeError) as problem:
        raise ValueError(f"no block of entries: {problem}") from problem


def linked(before: Link, number: int, moment: int, content: bytes) -> Link:
    """Return the link of a block."""
    told = before.digest + number.to_bytes(8) + moment.to_bytes(8) + content
    return Link(number, sha256(told).digest())


def sealed(key: bytes, end: Link) -> bytes:
    """Return what tells, by a secret of the store, where its log ends."""
    return keyed(key, end.number.to_bytes(8) + end.digest, "sha256")


class Waiting:
    """What waits to be logged; of one writer, on its event loop. `wake` asks for a commit."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: list[bytes] = []
        self._appended = 0
        self._durable = 0
        self._followed: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._closed = False
        self.is_due = False

    async def append(self, entry: bytes, *, durable: bool) -> None:
        """See AuditLog.append."""
        if self._closed:
            raise Unavailable("The store is closing")
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

    def close(self) -> None:
        """Take no more, and have what waits committed."""
        self._closed = True
        self.hasten()

    def hasten(self) -> None:
        """Have what waits committed."""
        if self._waiting and not self.is_due:
            self.is_due = True
            self._wake()

    def taken(self) -> list[bytes]:
        """Return what waits, to be committed now."""
        self.is_due = False
        return self._waiting[:TOGETHER]

    def committed(self, number: int) -> None:
        """Note that so many of what waited are durable."""
        del self._waiting[:number]
        self._durable += number
        while self._followed and self._followed[0][0] <= self._durable:
            _, future = self._followed.popleft()
            if not future.done():
                future.set_result(None)
        if len(self._waiting) >= TOGETHER or self._followed or self._closed:
            self.hasten()
        elif self._waiting:
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
