"""What operators do to a store, whichever backend keeps it: check it, index it anew, empty it, copy it.

Each opens the store by itself. `tests/storage/test_upkeep.py` holds each backend to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from hmac import compare_digest
from typing import Protocol, TypeAlias

from fhir_server.fhir.instants import instant
from fhir_server.policy.decision import Enforcement, LaidDown
from fhir_server.search.record import IndexRecord
from fhir_server.storage.logbook import Link, linked, sealed, unpacked_entries
from fhir_server.storage.moving import Block, Giving, Taking
from fhir_server.storage.parameters import Catalogue

Extract: TypeAlias = Callable[[bytes], IndexRecord]
"""Makes the index record of a resource."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of the store's resources have been looked at, deletions included."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be; `subject` is a resource, or a table or collection."""

    subject: str
    problem: str


@dataclass(frozen=True, slots=True)
class Reached:
    """The log is sound up to this entry, of so many that there should be; `digest` is that of its block."""

    number: int
    total: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place at which the log is not what was written; nothing is known of what follows."""

    problem: str


@dataclass(frozen=True, slots=True)
class People:
    """How it is told anew who people are, and what they laid down."""

    enforcement: Enforcement
    lay_down: Callable[[bytes], LaidDown | None]


class Upkeep(Protocol):
    """A store that no server is needed for; each raises Unavailable where it cannot be opened."""

    def giving(self) -> AbstractAsyncContextManager[Giving]:
        """Open it to read its rows."""
        ...

    def taking(self) -> AbstractAsyncContextManager[Taking]:
        """Open it to become a copy."""
        ...

    async def catalogue(self) -> Catalogue:
        """Return the catalogue, the empty one of a store that has none yet."""
        ...

    def scrub(
        self, extract: Extract, *, unsettled: Collection[str], enforcement: Enforcement
    ) -> AsyncIterator[Progress | Finding]:
        """Yield what is wrong with it, and how far the work is; nothing is written.

        Types that are being indexed by other search parameters are `unsettled`: of these the index is compared with
        the record that it was made of, which may be the old one or the new.
        """
        ...

    def verified(self) -> AsyncIterator[Reached | Broken]:
        """Yield how far the audit log is sound, and the first place where it is not."""
        ...

    def reindex(
        self, extract: Extract, *, generation: int, people: People, zone: str
    ) -> AsyncIterator[Progress]:
        """Make the index anew from the bodies; yield how far it is.

        `generation` is that of the search parameters that `extract` goes by: where these change meanwhile, it ends
        with Unavailable. `zone` is that by which it reads dates without one.
        """
        ...

    async def empty(self) -> int:
        """Delete everything; return how many resources there were."""
        ...


class Chain:
    """Follows the blocks of an audit log from the first to the last, of `total` entries."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._end = Link()

    def follow(self, block: Block) -> Reached | Broken:
        """Return how far the log is sound with this block, or what is wrong with it."""
        problem = _problem(self._end, block)
        if problem:
            committed = instant(block.moment)
            first = self._end.number + 1
            return Broken(f"entries {first} to {block.number} (committed {committed}): {problem}")
        self._end = Link(block.number, block.digest)
        return Reached(block.number, self._total, block.digest)

    def broken_end(self, seal: bytes, key: bytes) -> Broken | None:
        """Return what is wrong with where the log ends; `key` is that of the store's seals."""
        end, total = self._end, self._total
        if end.number != total:
            return Broken(f"it ends with entry {end.number}, and entry {total} was written")
        if total and not compare_digest(seal, sealed(key, end)):
            return Broken(f"entry {total}: the seal of the end is not that of this store")
        return None


def _problem(before: Link, block: Block) -> str:
    if linked(before, block.number, block.moment, block.content).digest != block.digest:
        return "the digest is not that of what stands here and before"
    try:
        held = len(unpacked_entries(block.content))
    except ValueError as problem:
        return str(problem)
    return "" if held == block.number - before.number else f"it holds {held} entries"
