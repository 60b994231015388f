"""One write operation, applied within an open transaction: preconditions first, then the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import apsw

from fhir_server.fhir.resource import Key, Stored
from fhir_server.search.advice import advice
from fhir_server.search.record import NO_DATE, IndexRecord, packed, unpacked
from fhir_server.search.telling import TELLING
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
from fhir_server.storage.parameters import Reindex, ReplaceCatalogue
from fhir_server.storage.sqlite import cataloguing
from fhir_server.storage.sqlite.auditing import publish
from fhir_server.storage.sqlite.budget import while_writing
from fhir_server.storage.sqlite.denials import Denials
from fhir_server.storage.sqlite.index import Index, Place
from fhir_server.storage.sqlite.owners import Owners
from fhir_server.storage.sqlite.searching import Searcher
from fhir_server.storage.sqlite.telling import tell, tell_as_before

SELECT_CURRENT = """
SELECT rid, version, moment, method, deleted, primary_date, owner, record, body
FROM resource WHERE type=? AND id=?
"""
ARCHIVE = """
INSERT INTO history SELECT rid, version, type, id, moment, method, owner, body
FROM resource WHERE rid=?
"""
INSERT = """
INSERT INTO resource(type, id, version, moment, method, deleted, primary_date, owner, record, body)
VALUES(?,?,1,?,?,0,?,?,?,?)
"""
REPLACE = """
UPDATE resource
SET version=?, moment=?, method=?, deleted=0, primary_date=?, owner=?, record=?, body=? WHERE rid=?
"""
RECORD = "UPDATE resource SET primary_date=?, owner=?, record=? WHERE rid=?"
BURY = """
UPDATE resource
SET version=?, moment=?, method='DELETE', deleted=1, primary_date=?, record=NULL, body=NULL
WHERE rid=?
"""

JOINED_WHILE_WRITING = 1_000
"""What the chains of a precondition may ask of other resources: all writers wait for it."""


@dataclass(frozen=True, slots=True)
class Current:
    """The current row of a resource, its tombstone included."""

    rid: int
    version: int
    moment: int
    method: str
    deleted: int
    primary_date: int
    owner: int
    record: bytes | None
    body: bytes | None

    @property
    def place(self) -> Place:
        """Where its index rows point."""
        return self.primary_date, self.rid, self.owner

    def stored(self, key: Key) -> Stored:
        """Return it as the contract has it."""
        return Stored(key, self.version, self.moment, self.method, self.body)


class Applier:
    """Applies operations on the writer's connection; `moment` rises with each version made."""

    def __init__(self, connection: apsw.Connection, denials: Denials | None = None) -> None:
        self._connection = connection
        self.denials = denials
        self._searcher = Searcher(connection, most_joined=JOINED_WHILE_WRITING)
        self.index = Index(connection)
        self.owners = Owners(connection, denials.made if denials else lambda _made, _people: None)
        self.moment = 0
        self._generation = 0
        self._data_version = 0

    def start(self, now: int) -> None:
        """Begin a transaction: its moments come after both the clock and the latest write."""
        version: int = self._connection.execute("PRAGMA data_version").get
        if version != self._data_version:
            # Another process wrote: the owner classes that are known here may be gone (reset).
            self._data_version = version
            self._generation = cataloguing.generation(self._connection)
            self.owners.forget()
        latest: int | None = self._connection.execute("SELECT max(moment) FROM resource").get
        self.moment = max(now, latest or 0)
        if self.denials is not None:
            self.denials.start()

    def rolled_back(self) -> None:
        """Forget what was done since the last commit or savepoint."""
        self.index.drop()
        self.owners.rolled_back()

    def is_outdated(self, ops: Sequence[WriteOp]) -> bool:
        """Tell whether an operation was made by search parameters that are no longer those of the index."""
        current = self._generation
        for op in ops:
            # Nearly all are puts, and a load has thousands in each request.
            made_by = op.draft.generation if type(op) is Put else generation_of(op)
            if made_by != current and made_by is not None:
                return True
        return False

    def apply(self, op: WriteOp) -> WriteResult:
        """Do one operation; on Refused and Unchanged nothing was written."""
        match op:
            case Expect(expectation):
                return self._refusal(expectation) or Unchanged(None)
            case Put():
                return self._put(op)
            case Delete():
                return self._delete(op)
            case Reindex():
                return self._replace_record(op)
            case ReplaceCatalogue():
                return self._replace_catalogue(op)
            case Publish():
                return Unchanged(None) if publish(self._connection, op) else Refused()
            case _:
                assert_never(op)

    def _put(self, op: Put) -> WriteResult:
        draft = op.draft
        current = self._current(draft.key)
        if refused := self._precondition(current, op.expected, op.expectation):
            return refused
        if current is None:
            return Written(self._insert(draft, op.method), created=True)
        if not current.deleted and _same(draft, current):
            return Unchanged(current.stored(draft.key))
        stored = self._replace(draft, op.method, current)
        return Written(stored, created=bool(current.deleted))

    def _delete(self, op: Delete) -> WriteResult:
        current = self._current(op.key)
        if refused := self._precondition(current, op.expected, op.expectation):
            return refused
        if current is None or current.deleted:
            return Unchanged(current.stored(op.key) if current else None)
        moment = self._next_moment()
        if self.denials is not None:
            self.denials.deleted(op.key)
        self._connection.execute(ARCHIVE, (current.rid,))
        if current.record is not None:
            record = unpacked(current.record)
            self.index.remove(op.key.type, record, current.place)
        version = current.version + 1
        self._connection.execute(BURY, (version, moment, NO_DATE, current.rid))
        if op.key.type in TELLING:
            tell_as_before(self._connection, current.rid, current.version)
        return Written(Stored(op.key, version, moment, "DELETE", None), created=False)

    def _replace_record(self, op: Reindex) -> WriteResult:
        current = self._current(op.key)
        if current is None or current.deleted or current.version != op.version:
            # Whoever wrote since has indexed it by the same parameters.
            return Refused(current=current.version if current and not current.deleted else 0)
        record = packed(op.record)
        if record != current.record:
            owner = self.owners.intern(op.record)
            place = op.record.primary, current.rid, owner
            self._reindex(op.key.type, op.record, current, place)
            self._connection.execute(RECORD, (op.record.primary, owner, record, current.rid))
            tell(self._connection, op.record, current.rid, current.version)
        return Unchanged(None)

    def _replace_catalogue(self, op: ReplaceCatalogue) -> WriteResult:
        if not cataloguing.replace(self._connection, op):
            return Refused()
        # For the rest of the group; read again by the next one, should this one be rolled back.
        self._generation, self._data_version = op.generation, 0
        return Unchanged(None)

    def _current(self, key: Key) -> Current | None:
        found = self._connection.execute(SELECT_CURRENT, (key.type, key.id)).fetchone()
        return Current(*found) if found else None

    def _precondition(
        self, current: Current | None, expected: int | None, expectation: Expectation | None
    ) -> Refused | None:
        if expected is not None:
            version = 0 if current is None or current.deleted else current.version
            if version != expected and (expected != NEVER or current is not None):
                return Refused(current=version)
        return self._refusal(expectation) if expectation else None

    def _refusal(self, expectation: Expectation) -> Refused | None:
        self.index.flush()
        sight, plan = expectation.sight, expectation.plan
        if sight.audience is not None and self.denials is not None:
            self.denials.admit(sight.audience)
            sight = self.denials.opened(sight) if sight.emergency else sight
        page = while_writing(
            self._connection,
            lambda: self._searcher.page(sight, plan, None, 2),
            lambda: f"{advice(plan)}. Nothing was written",
        )
        matches = tuple(row.stored.key for row in page.rows)
        return None if frozenset(matches) == expectation.matches else Refused(matches=matches)

    def _insert(self, draft: Draft, method: str) -> Stored:
        moment = self._next_moment()
        body = rendered(draft, 1, moment)
        record, owner = draft.record, self.owners.intern(draft.record)
        self._connection.execute(
            INSERT,
            (
                draft.key.type,
                draft.key.id,
                moment,
                method,
                record.primary,
                owner,
                packed(record),
                body,
            ),
        )
        place = record.primary, self._connection.last_insert_rowid(), owner
        self.index.add(draft.key.type, record, place)
        if record.about:
            tell(self._connection, record, place[1], 1)
        if self.denials is not None:
            self.denials.written(draft)
        return Stored(draft.key, 1, moment, method, body)

    def _replace(self, draft: Draft, method: str, current: Current) -> Stored:
        moment, version = self._next_moment(), current.version + 1
        body = rendered(draft, version, moment)
        record, owner = draft.record, self.owners.intern(draft.record)
        self._connection.execute(ARCHIVE, (current.rid,))
        self._connection.execute(
            REPLACE,
            (
                version,
                moment,
                method,
                record.primary,
                owner,
                packed(record),
                body,
                current.rid,
            ),
        )
        self._reindex(draft.key.type, record, current, (record.primary, current.rid, owner))
        if record.about:
            tell(self._connection, record, current.rid, version)
        if self.denials is not None:
            self.denials.written(draft)
        return Stored(draft.key, version, moment, method, body)

    def _reindex(self, kind: str, record: IndexRecord, current: Current, place: Place) -> None:
        if current.record is None:
            self.index.add(kind, record, place)
        else:
            old = unpacked(current.record)
            self.index.change(kind, old, record, before=current.place, after=place)

    def _next_moment(self) -> int:
        self.moment += 1
        return self.moment


def _same(draft: Draft, current: Current) -> bool:
    """Tell whether the draft would only repeat the current version."""
    return rendered(draft, current.version, current.moment) == current.body
