"""Point reads, history, scans and the change feed on one connection; all synchronous."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from fhir_server.fhir.resource import Key, Stored
from fhir_server.policy.decision import Audience
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.contract import OptOuts
from fhir_server.storage.pages import Change, HistoryPage, HistoryScope, Part, Position, Row
from fhir_server.storage.parameters import Extent
from fhir_server.storage.sqlite.seeing import see, see_any
from fhir_server.storage.sqlite.translation import ARCHIVED, CURRENT, LISTED, PAST, Condition

READ = "SELECT r.version, r.moment, r.method, r.body FROM resource r WHERE r.type=? AND r.id=?"
OWNERS = """
WITH RECURSIVE told(kind, owner, rid, version) AS (
  SELECT type, owner, rid, version FROM resource WHERE type=? AND id=? AND deleted=0
  UNION SELECT y.type, y.owner, y.rid, y.version FROM told
  CROSS JOIN about a ON a.rid=told.rid AND a.version=told.version
  CROSS JOIN resource y ON y.type=a.type AND y.id=a.id
)
SELECT kind, owner FROM told
"""
COUNT = "SELECT count(*) FROM resource WHERE type=? AND deleted=0"
COLUMNS = "r.type, r.id, r.version, r.moment, r.method, r.body"
ROW_COLUMNS = "r.type, r.id, r.version, r.moment, r.method, r.body, r.record"


class Reader:
    """Reads on one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def current(self, sight: Visibility, key: Key) -> Stored | None:
        """Return the current version, a deletion included; None if absent or hidden."""
        if sight.sees_whole(key.type):
            row = self._connection.execute(READ, (key.type, key.id)).fetchone()
            return Stored(key, *row) if row else None
        if not sight.permits_type(key.type):
            return None
        condition = Condition()
        see(sight, key.type, LISTED, condition)
        statement = f"{READ} AND {condition.text}"
        row = self._connection.execute(statement, (key.type, key.id, *condition.values)).fetchone()
        return Stored(key, *row) if row else None

    def version(self, sight: Visibility, key: Key, version: int) -> Stored | None:
        """Return one version, current or not; None if absent or hidden."""
        current = self.current(sight, key)
        if current is None or current.version == version:
            return current
        condition = Condition()
        condition.add("r.type=? AND r.id=?", key.type, key.id)
        condition.add("h.version=?", version)
        see(sight, key.type, ARCHIVED, condition)
        row = self._connection.execute(
            "SELECT h.version, h.moment, h.method, h.body"  # noqa: S608 - constants
            f" FROM resource r JOIN history h ON h.rid=r.rid WHERE {condition.text}",
            condition.values,
        ).fetchone()
        return Stored(key, *row) if row else None

    def many(self, sight: Visibility, keys: Sequence[Key]) -> list[Row]:
        """Return the current, not deleted, visible ones of these resources."""
        seen = {key.type for key in keys if sight.permits_type(key.type)}
        conditions = {kind: _listed(sight, kind) for kind in seen}
        rows: list[Row] = []
        for key in keys:
            if key.type in seen:
                condition = conditions[key.type]
                statement = f"SELECT {ROW_COLUMNS} FROM resource r WHERE {condition.text}"  # noqa: S608 - constants
                values = (key.type, key.id, *condition.values)
                rows.extend(Row(*each) for each in self._connection.execute(statement, values))
        return rows

    def history(
        self, sight: Visibility, scope: HistoryScope, after: Position | None, limit: int
    ) -> HistoryPage:
        """Return versions, the newest first: the current rows and those in the history, merged."""
        halves = [self._history_half(sight, scope, after, name) for name in ("resource", "history")]
        statement = " UNION ALL ".join(text for text, _ in halves) + " ORDER BY moment DESC LIMIT ?"
        values = [value for _, condition in halves for value in condition.values]
        rows = self._connection.execute(statement, (*values, limit + 1)).fetchall()
        versions = tuple(_stored(each) for each in rows[:limit])
        return HistoryPage(versions, (versions[-1].moment,) if len(rows) > limit else None)

    def _history_half(
        self, sight: Visibility, scope: HistoryScope, after: Position | None, table: str
    ) -> tuple[str, Condition]:
        condition = Condition()
        if scope.type is not None:
            condition.add("r.type=?", scope.type)
        if scope.id is not None:
            # By rid: the history has no index by id.
            condition.add(
                "r.rid=(SELECT rid FROM resource WHERE type=? AND id=?)", str(scope.type), scope.id
            )
        see_any(sight, "r.type", PAST if table == "history" else LISTED, condition)
        if table == "history":
            _see_current(sight, condition)
        for value, comparison in (
            (scope.since, ">="),
            (scope.until, "<="),
            (after[0] if after else None, "<"),
        ):
            if value is not None:
                condition.add(f"r.moment{comparison}?", value)
        return f"SELECT {COLUMNS} FROM {table} r WHERE {condition.text}", condition  # noqa: S608 - constants

    def owners_of(self, key: Key) -> list[tuple[str, int]]:
        """Return type and owner class of the current version, and of all that it tells of; nothing where there is none."""
        rows: list[Any] = self._connection.execute(OWNERS, (key.type, key.id)).fetchall()
        return rows

    def knows(self, audience: Audience) -> bool:
        """Tell whether the denials of an audience are worked out."""
        known = "SELECT 1 FROM audience WHERE audience=?"
        return self._connection.execute(known, (audience.key,)).get is not None

    def opt_outs(self) -> OptOuts | None:
        """Return what register of opt-outs there is."""
        row = self._connection.execute(
            "SELECT as_of, number FROM register WHERE name='opt-out'"
        ).fetchone()
        return OptOuts(*row) if row else None

    def latest_moment(self) -> int:
        """Return the moment of the latest committed write, 0 where there is none."""
        found: int | None = self._connection.execute("SELECT max(moment) FROM resource").get
        return found or 0

    def as_of(
        self, sight: Visibility, part: Part, moment: int, limit: int
    ) -> tuple[list[Stored], int | None]:
        """Return what was current at a moment in a range of rids, and where to go on."""
        condition = Condition()
        condition.add("r.rid>=? AND r.rid<?", part.low, part.high)
        if part.type is not None:
            condition.add("r.type=?", part.type)
        see_any(sight, "r.type", LISTED, condition)
        rows: list[Any] = self._connection.execute(
            f"SELECT r.rid, {COLUMNS} FROM resource r WHERE {condition.text}"  # noqa: S608 - constants
            " ORDER BY r.rid LIMIT ?",
            (*condition.values, limit),
        ).fetchall()
        found = (self._as_of(sight, rid, _stored(row), moment) for rid, *row in rows)
        resume = rows[-1][0] + 1 if len(rows) == limit else None
        return [each for each in found if each is not None and not each.deleted], resume

    def _as_of(self, sight: Visibility, rid: int, current: Stored, moment: int) -> Stored | None:
        if current.moment <= moment:
            return current
        condition = Condition()
        see(sight, current.key.type, PAST, condition)
        row = self._connection.execute(
            f"SELECT * FROM (SELECT {COLUMNS}, r.owner, r.rid FROM history r"  # noqa: S608 - constants
            " WHERE r.rid=? AND r.moment<=? ORDER BY r.version DESC LIMIT 1) r"
            f" WHERE {condition.text}",
            (rid, moment, *condition.values),
        ).fetchone()
        return _stored(row[:-2]) if row else None

    def extent(self, kind: str) -> Extent:
        """Return how many resources of a type there are, and the highest rid of all."""
        count: int = self._connection.execute(COUNT, (kind,)).get
        highest: int | None = self._connection.execute("SELECT max(rid) FROM resource").get
        return Extent(count, highest or 0)

    def following(
        self, sight: Visibility, kind: str, after: str, highest: int, limit: int
    ) -> list[Stored]:
        """Return the resources of a type that follow an id, those above a rid left out."""
        if not sight.permits_type(kind):
            return []
        condition = Condition()
        condition.add("r.type=? AND r.id>? AND r.rid<=? AND r.deleted=0", kind, after, highest)
        see(sight, kind, LISTED, condition)
        rows = self._connection.execute(
            f"SELECT {COLUMNS} FROM resource r WHERE {condition.text} ORDER BY r.id LIMIT ?",  # noqa: S608 - constants
            (*condition.values, limit),
        )
        return [_stored(each) for each in rows]

    def changes(self, after: int, limit: int) -> list[Change]:
        """Return changes after a token, the oldest first; the moment is the token."""
        columns = "type, id, version, moment, body IS NULL"
        rows = self._connection.execute(
            f"SELECT {columns} FROM resource WHERE moment>?1"  # noqa: S608 - constants
            f" UNION ALL SELECT {columns} FROM history WHERE moment>?1 ORDER BY moment LIMIT ?2",
            (after, limit),
        )
        return [
            Change(moment, Key(kind, logical_id), version, moment, bool(deleted))
            for kind, logical_id, version, moment, deleted in rows
        ]


def _see_current(sight: Visibility, into: Condition) -> None:
    """Add the condition that the current version may be seen too: as a read of an old one has it."""
    if all(each is None for each in (sight.patient, sight.audience, sight.criteria)):
        return
    current = Condition()
    current.add("c.rid=r.rid")
    see_any(sight, "c.type", CURRENT, current)
    into.add(f"EXISTS(SELECT 1 FROM {CURRENT.table} WHERE {current.text})", *current.values)  # noqa: S608 - constants


def _listed(sight: Visibility, kind: str) -> Condition:
    """Return what a current, visible resource of this type satisfies; its type and id come first."""
    condition = Condition()
    condition.add("r.type=? AND r.id=? AND r.deleted=0")
    see(sight, kind, LISTED, condition)
    return condition


def _stored(columns: Sequence[Any]) -> Stored:
    kind, logical_id, version, moment, method, body = columns
    return Stored(Key(kind, logical_id), version, moment, method, body)
