"""What a store keeps of what happened: an append-only log of events, each an opaque entry for the layers above.

Entries are numbered from 1 in the order of their commits and linked by digests, over all processes of a store.
`tests/storage/test_audit_log.py` holds each backend to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fhir_server.fhir.resource import Key


class Extent(NamedTuple):
    """The number of the last entry, and up to which of them AuditEvents were made; 0: none."""

    last: int
    published: int


@dataclass(frozen=True, slots=True)
class Publish:
    """Note that of the entries up to `until` AuditEvents are made; refused unless `expected` was the last."""

    expected: int
    until: int


class AuditLog(Protocol):
    """An append-only log. A write hands its entry over with its operations; all else comes by `append`."""

    async def append(self, entry: bytes, *, durable: bool) -> None:
        """Take an entry, which nothing but a crash can lose from now on; `durable`: not even that.

        Where the store cannot keep up, or cannot write, this waits; raise Unavailable if that takes too long.
        """
        ...

    async def extent(self) -> Extent:
        """Return how long the log is; entries that were appended before are counted."""
        ...

    async def entries(self, after: int, most: int) -> Sequence[bytes]:
        """Return the entries that follow a number, up to so many."""
        ...

    async def concerned(self, versions: Sequence[tuple[Key, int]]) -> Sequence[tuple[str, ...]]:
        """Return for each version the ids of the patients that it mentions, none for one that is not there."""
        ...
