"""One write operation, applied to the documents of an open transaction: preconditions first, then the change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from fhir_server.fhir.errors import OutdatedIndex, TooCostly
from fhir_server.fhir.resource import Key, Stored
from fhir_server.search.advice import advice
from fhir_server.search.record import IndexRecord, packed
from fhir_server.storage.auditing import Publish
from fhir_server.storage.contract import (
    NEVER,
    Delete,
    Draft,
    Expect,
    Expectation,
    Put,
    Refused,
    Unchanged,
    WriteOp,
    WriteResult,
    Written,
    generation_of,
)
from fhir_server.storage.drafts import rendered
from fhir_server.storage.mongo.auditing import publish
from fhir_server.storage.mongo.denials import Denials
from fhir_server.storage.mongo.documents import (
    HISTORY,
    RESOURCE,
    Document,
    archived,
    checked,
    indexed,
    stored_of,
    telling,
    versioned,
)
from fhir_server.storage.mongo.enforcing import Enforcing
from fhir_server.storage.mongo.failures import OutOfTime
from fhir_server.storage.mongo.owners import Owners, owner_id
from fhir_server.storage.mongo.schema import CATALOGUE, STATE
from fhir_server.storage.mongo.searching import Searcher
from fhir_server.storage.mongo.sights import sight_of
from fhir_server.storage.mongo.workspace import Workspace
from fhir_server.storage.parameters import Reindex, ReplaceCatalogue

JOINED_WHILE_WRITING = 1_000
"""What the chains of a precondition may ask of other resources: all writers wait for it."""

SEARCHED_WHILE_WRITING = 2.0
"""Seconds that the criteria of a write may be searched for: all writers wait meanwhile."""


class Applier:
    """Applies operations to a workspace; `moment` rises with each version made."""

    def __init__(
        self,
        workspace: Workspace,
        state: Document,
        now: int,
        enforcing: Enforcing | None,
    ) -> None:
        self._workspace = workspace
        self._state = state
        self._enforcing = enforcing
        self.denials: Denials | None = None
        if enforcing is not None:
            self.denials = Denials(workspace, enforcing)
        self._owners = Owners(workspace, state["owner"], self.denials)
        self.moment: int = max(now, state["moment"])
        self._rid: int = state["rid"]
        self._axes: set[str] = set()

    async def prepare(self, ops: Iterable[WriteOp]) -> None:
        """Read together what these operations are about."""
        keys: list[Key] = []
        owners: list[bytes] = []
        axes: set[str] = set()
        for op in ops:
            match op:
                case Put(draft):
                    keys.append(draft.key)
                    owners.append(owner_id(draft.record))
                    axes |= _axes(draft.key.type, draft.record)
                case Delete(key) | Reindex(key):
                    keys.append(key)
                case Expect() | ReplaceCatalogue() | Publish():
                    continue
        await self._workspace.load(RESOURCE, map(str, keys))
        await self._workspace.load("owner", owners)
        await self._workspace.load("axis", axes)
        if self.denials is not None:
            await self.denials.prepare(keys)

    def check_generation(self, ops: Iterable[WriteOp]) -> None:
        """Raise OutdatedIndex where one was made by other search parameters than the current ones."""
        made_by = {each for each in map(generation_of, ops) if each is not None}
        if made_by - {self._state["generation"]}:
            raise OutdatedIndex("The search parameters have changed meanwhile; please try again")

    async def apply(self, op: WriteOp) -> WriteResult:
        """Apply an operation; raise TooCostly where its precondition takes too long to tell."""
        match op:
            case Put():
                return await self._put(op)
            case Delete():
                return await self._delete(op)
            case Expect(expectation):
                return await self._refusal(expectation) or Unchanged(None)
            case Reindex():
                return await self._replace_record(op)
            case ReplaceCatalogue():
                return await self._replace_catalogue(op)
            case Publish():
                return Unchanged(None) if await publish(self._workspace, op) else Refused()
            case _:
                assert_never(op)

    def undone(self, state: Document) -> None:
        """Take in that operations were undone: the state is as it was."""
        self._state = state
        if self.denials is not None:
            self.denials.forget()

    @property
    def state(self) -> Document:
        """The state of the store after what was applied."""
        counted = {"moment": self.moment, "rid": self._rid, "owner": self._owners.latest}
        return {**self._state, **counted}

    async def _put(self, op: Put) -> WriteResult:
        draft = op.draft
        current = await self._current(draft.key)
        if refused := await self._precondition(current, op.expected, op.expectation):
            return refused
        if current is not None and not current["x"] and _is_same(draft, current):
            return Unchanged(stored_of(current))
        stored = await self._write(draft, op.method, current)
        return Written(stored, created=current is None or current["x"])

    async def _write(self, draft: Draft, method: str, current: Document | None) -> Stored:
        moment, version = self._next_moment(draft.key), current["v"] + 1 if current else 1
        stored = Stored(draft.key, version, moment, method, rendered(draft, version, moment))
        owner = await self._owners.intern(draft.record)
        document = {
            **versioned(stored, self._rid_of(current), owner),
            **indexed(draft.key.type, draft.record),
        }
        await self._replace(current, checked(document))
        await note_axes(self._workspace, draft.key.type, draft.record)
        if self.denials is not None:
            await self.denials.written(draft)
        return stored

    async def _delete(self, op: Delete) -> WriteResult:
        current = await self._current(op.key)
        if refused := await self._precondition(current, op.expected, op.expectation):
            return refused
        if current is None or current["x"]:
            return Unchanged(stored_of(current) if current else None)
        if self.denials is not None:
            await self.denials.deleted(op.key)
        stored = Stored(op.key, current["v"] + 1, self._next_moment(op.key), "DELETE", None)
        tombstone = versioned(stored, current["n"], current["o"])
        await self._replace(current, {**tombstone, "c": current["c"], **telling(current)})
        return Written(stored, created=False)

    async def _replace(self, current: Document | None, document: Document) -> None:
        """Put the next version in place of the current one, which goes into the history."""
        if current is not None:
            self._workspace.add(HISTORY, archived(current))
        await self._workspace.put(RESOURCE, document["_id"], document)

    async def _replace_record(self, op: Reindex) -> WriteResult:
        current = await self._current(op.key)
        if current is None or current["x"] or current["v"] != op.version:
            # Whoever wrote since has indexed it by the same parameters.
            return Refused(current=current["v"] if current and not current["x"] else 0)
        if packed(op.record) != current["z"]:
            owner = await self._owners.intern(op.record)
            document = {**current, "o": owner, **indexed(op.key.type, op.record)}
            await self._workspace.put(RESOURCE, str(op.key), checked(document))
            await note_axes(self._workspace, op.key.type, op.record)
        return Unchanged(None)

    async def _replace_catalogue(self, op: ReplaceCatalogue) -> WriteResult:
        revision: int = self._state["revision"]
        if revision != op.expected:
            return Refused()
        self._state = {**self._state, "revision": revision + 1, "generation": op.generation}
        content = {"_id": CATALOGUE, "content": op.content}
        await self._workspace.put(STATE, CATALOGUE, content)
        return Unchanged(None)

    async def _current(self, key: Key) -> Document | None:
        return await self._workspace.get(RESOURCE, str(key))

    async def _precondition(
        self, current: Document | None, expected: int | None, expectation: Expectation | None
    ) -> Refused | None:
        if expected is not None:
            version = 0 if current is None or current["x"] else current["v"]
            if version != expected and (expected != NEVER or current is not None):
                return Refused(current=version)
        return await self._refusal(expectation) if expectation else None

    async def _refusal(self, expectation: Expectation) -> Refused | None:
        asked = expectation.sight
        if asked.audience is not None and self.denials is not None:
            await self.denials.admit(asked.audience)
        await self._workspace.flush()
        statements = self._workspace.statements.within(SEARCHED_WHILE_WRITING)
        if self._enforcing is not None:
            asked = await self._enforcing.opened(statements, asked)
        sight = await sight_of(statements, asked)
        searcher = Searcher(statements, sight, most_joined=JOINED_WHILE_WRITING)
        try:
            page = await searcher.page(expectation.plan, None, 2)
        except OutOfTime:
            raise TooCostly(
                f"The search took longer than {SEARCHED_WHILE_WRITING:g} seconds: "
                f"{advice(expectation.plan)}. Nothing was written"
            ) from None
        matches = tuple(row.stored.key for row in page.rows)
        return None if frozenset(matches) == expectation.matches else Refused(matches=matches)

    def _rid_of(self, current: Document | None) -> int:
        if current is not None:
            return int(current["n"])
        self._rid += 1
        return self._rid

    def _next_moment(self, key: Key) -> int:
        self.moment += 1
        if key.type == "SearchParameter":
            self._state = {**self._state, "latest_parameter": self.moment}
        return self.moment


def state_of(document: Document | None) -> Document:
    """Return the state of the store; raise where there is none."""
    assert document is not None, "the state is made with the collections"
    return document


async def note_axes(workspace: Workspace, kind: str, record: IndexRecord) -> None:
    """Have each axis listed that a range is on: a search in another unit looks at those there are."""
    for axis in _axes(kind, record):
        if await workspace.get("axis", axis) is None:
            workspace.add("axis", {"_id": axis})


def _axes(kind: str, record: IndexRecord) -> set[str]:
    """Return the axes that ranges in a unit are on, as documents have them."""
    ranges: list[dict[str, Any]] = indexed(kind, record)["r"] if record.ranges else []
    return {each["a"] for each in ranges if "\x1f" in each["a"]}


def _is_same(draft: Draft, current: Document) -> bool:
    """Tell whether the draft would only repeat the current version."""
    return bool(rendered(draft, current["v"], current["m"]) == current["b"])
