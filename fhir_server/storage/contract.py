"""What every store promises. `tests/storage/test_contract.py` holds each backend to it.

Each write is atomic and durable when the call returns. A precondition is a part of the write: reading
first and then writing would leave a gap for another writer. Every read takes a Visibility.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, assert_never

import msgspec

from fhir_server.fhir.resource import Key, Stored
from fhir_server.policy.decision import Audience, Decision, LaidDown, Person
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import Plan
from fhir_server.search.record import IndexRecord
from fhir_server.storage.auditing import AuditLog, Publish
from fhir_server.storage.explanation import Explanation
from fhir_server.storage.keyvalues import KeyValues
from fhir_server.storage.pages import (
    Change,
    Count,
    HistoryPage,
    HistoryScope,
    Page,
    Part,
    Position,
    Row,
)
from fhir_server.storage.parameters import Catalogue, Extent, Reindex, ReplaceCatalogue, Stamp

NEVER = -1
"""The expected version of what was never written: a deletion that the writer may not see is not written over."""


class Draft(msgspec.Struct, frozen=True):
    """A resource to be written, all but what only the write can know.

    `meta` and `rest` are JSON members without the braces: `meta` those of `meta` but for versionId and
    lastUpdated, `rest` those of the resource but for resourceType, id and meta. `generation` is that of the
    search parameters that its record was made by, `laid_down` what a Consent says.
    """

    key: Key
    meta: bytes
    rest: bytes
    record: IndexRecord
    generation: int = 0
    laid_down: LaidDown | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """These and no other visible resources match; else the write is refused.

    `generation` is that of the search parameters that its plan was made with.
    """

    sight: Visibility
    plan: Plan
    matches: frozenset[Key]
    generation: int = 0


class Put(msgspec.Struct, frozen=True):
    """Write a version of a resource.

    `expected` is the version that must be the current one (0: none, or deleted; NEVER: there is not even a
    deleted one); None: whatever it is.
    Content equal to the current version's makes no new version, and gives `Unchanged`.
    """

    draft: Draft
    method: str = "PUT"
    expected: int | None = None
    expectation: Expectation | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Make a deletion the current version; of an absent or deleted resource: `Unchanged`."""

    key: Key
    expected: int | None = None
    expectation: Expectation | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """Write nothing, and refuse the others unless the expectation holds."""

    expectation: Expectation


WriteOp: TypeAlias = Put | Delete | Expect | Reindex | ReplaceCatalogue | Publish


def generation_of(op: WriteOp) -> int | None:
    """Return the generation of search parameters that an operation was made by, None if it needs none."""
    match op:
        case Put(draft):
            return draft.generation
        case Reindex():
            return op.generation
        case Expect(expectation):
            return expectation.generation
        case Delete():
            return None if op.expectation is None else op.expectation.generation
        case ReplaceCatalogue() | Publish():
            return None
        case _:
            assert_never(op)


class Written(msgspec.Struct, frozen=True):
    """The version that was made; `created` tells that no current version was there before."""

    stored: Stored
    created: bool


@dataclass(frozen=True, slots=True)
class Unchanged:
    """No version was to be made; `stored` is the current one, None where there never was one.

    Also the result of what makes no versions: Expect, Reindex, ReplaceCatalogue and Publish.
    """

    stored: Stored | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A precondition did not hold, and nothing was written.

    `current` is the current version's number (0: none, or deleted) where `expected` failed; else None, and
    `matches` are the first matches of the plan, two at most. Both None: another operation of the
    same atomic write was refused.
    """

    current: int | None = None
    matches: tuple[Key, ...] | None = None


WriteResult: TypeAlias = Written | Unchanged | Refused

ToldOf: TypeAlias = Callable[[Sequence[WriteResult]], bytes]
"""Makes the entry of the audit log that tells of a write, of what became of its operations; pure."""


@dataclass(frozen=True, slots=True)
class OptOuts:
    """The register of opt-outs: the moment (us) at which it held, and how many numbers it has."""

    as_of: int
    number: int


class Store(Protocol):
    """Versioned resources with an index. Hidden and absent give the same answer."""

    @property
    def has_transactions(self) -> bool:
        """Whether several resources that are written at once are there at once, for all who read."""
        ...

    @property
    def key_values(self) -> KeyValues:
        """What the server remembers besides resources."""
        ...

    @property
    def audit_log(self) -> AuditLog:
        """What is known of who read and wrote."""
        ...

    async def read(self, sight: Visibility, key: Key, version: int | None = None) -> Stored | None:
        """Return the current (or the named) version; None if absent or hidden.

        A deletion is returned as such, so that the caller can answer Gone.
        """
        ...

    async def read_many(self, sight: Visibility, keys: Sequence[Key]) -> Sequence[Row]:
        """Return the current, not deleted, visible ones of these resources, in the order of the keys."""
        ...

    async def search(
        self,
        sight: Visibility,
        plan: Plan,
        after: Position | None,
        limit: int,
        *,
        records: bool = True,
    ) -> Page:
        """Return the next visible matches; raise TooCostly if the plan's budget runs out.

        Without `records` the rows may come without: what is only shown needs none, and they are half of what is read.
        """
        ...

    async def count(self, sight: Visibility, plan: Plan) -> Count:
        """Return the number of visible matches; inexact if the budget runs out."""
        ...

    async def explain(
        self, sight: Visibility, plan: Plan, after: Position | None, limit: int
    ) -> Explanation:
        """Return how this page is found; for sights that are unlimited, as it tells of what is hidden."""
        ...

    async def history(
        self, sight: Visibility, scope: HistoryScope, after: Position | None, limit: int
    ) -> HistoryPage:
        """Return versions, the newest first, deletions among them."""
        ...

    async def write(
        self, ops: Sequence[WriteOp], *, atomic: bool, told: ToldOf | None = None
    ) -> Sequence[WriteResult]:
        """Do the operations in order; the only writer.

        Atomic: all of them or none. Else each by itself, in one durable step for all. Raise OutdatedIndex,
        and write nothing, where one was made by search parameters of another generation than the current.
        What is `told` of it is logged in the same step, unless an operation was refused.
        """
        ...

    async def now(self) -> int:
        """Return the moment of the latest committed write: reads as of it are repeatable."""
        ...

    def scan(self, sight: Visibility, part: Part, as_of: int) -> AsyncIterator[Stored]:
        """Yield what was current at a moment, deletions left out, in the order of surrogate ids."""
        ...

    def changes(self, after: int) -> AsyncIterator[Change]:
        """Yield the entries of the change feed after a token, then end."""
        ...

    def identifiers(self, sight: Visibility, kind: str, system: str) -> AsyncGenerator[str, None]:
        """Yield the values by which resources of a type are identified in a system, those inside others too.

        For sights that are unlimited, as nobody is told whose they are. Each comes at least once, in any order: all that
        were there before it began, and still are when it ends. Of one too long for an index its beginning.
        """
        ...

    async def replace_opt_outs(self, numbers: Collection[str], *, as_of: int) -> OptOuts:
        """Put a register of NHS numbers in place of the one before; reads obey it once this returns."""
        ...

    async def opt_outs(self) -> OptOuts | None:
        """Return what register there is; None where none was ever loaded."""
        ...

    async def people(self, numbers: Collection[str]) -> Mapping[str, Person]:
        """Return who has these NHS numbers: of one whom nothing is known of, that."""
        ...

    async def decision(self, key: Key, audience: Audience, *, at: int) -> Decision | None:
        """Return what is decided on a current version for an audience, None where there is none: to be explained."""
        ...

    async def stamp(self) -> Stamp:
        """Return what tells whether the catalogue has changed: it is looked at after each search."""
        ...

    async def catalogue(self) -> Catalogue:
        """Return the catalogue; the empty one of revision 0 where none was written."""
        ...

    async def extent(self, resource_type: str) -> Extent:
        """Return how many resources of a type there are, and up to which surrogate id."""
        ...

    async def walk(
        self, sight: Visibility, resource_type: str, *, after: str, highest: int, limit: int
    ) -> Sequence[Stored]:
        """Return the visible, not deleted resources that follow an id, in the order of ids.

        Only those whose surrogate id is no higher than `highest`: what is created meanwhile is left out.
        """
        ...

    async def secret(self, name: str) -> bytes:
        """Return 32 random bytes that belong to this store, made when first asked for."""
        ...
