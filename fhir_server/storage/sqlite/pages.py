"""Pages that one statement gives, with the statements remembered: planning and translating takes longer than running it.

What a statement says depends on what is asked, on who asks, and on where the page begins: of these the last, and the
moment, are bound when it runs. What holds for now alone, since the store was looked into for it, is not remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import apsw

from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import Plan
from fhir_server.search.record import NO_DATE
from fhir_server.storage.contract import Position, Row
from fhir_server.storage.sqlite.translation import Value, moments
from fhir_server.storage.sqlite.windows import Place

REMEMBERED = 1_000
"""Statements that a connection remembers."""

MOST_VALUES = 50
"""Values of one that is remembered: clients choose how many they ask for, and could fill the memory."""

Asked: TypeAlias = tuple[Plan, Visibility, int, bool, bool]
Found: TypeAlias = tuple[tuple[Row, ...], Position | None]
"""The rows of a page, and where the next one starts."""

_UNKNOWN = None, None


@dataclass(frozen=True, slots=True)
class PageStatement:
    """The statement of a page of `limit` rows of one type and the one behind it: place, then the columns of a row.

    `values` are followed by the moments of the sight, and by the place that the page comes after.
    """

    text: str
    values: tuple[Value, ...]
    kind: str
    limit: int

    def page(self, connection: apsw.Connection, sight: Visibility, after: Position | None) -> Found:
        """Return the page."""
        values = (*self.values, *moments(sight), *(place_of(after) or ()))
        found: list[Any] = connection.execute(self.text, values).fetchall()
        end = None
        if len(found) > self.limit:
            end = position_of(*found[self.limit - 1][:2])
            del found[self.limit :]
        kind = self.kind
        rows = [
            Row(kind, logical_id, version, moment, method, body, record)
            for _, _, logical_id, version, moment, method, body, record in found
        ]
        return tuple(rows), end


class PageStatements:
    """The statements that one connection remembers."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: dict[Asked, tuple[PageStatement, int | None]] = {}

    def get(self, asked: Asked) -> PageStatement | None:
        """Return the statement of a page that was asked for before."""
        statement, chosen = self._known.get(asked, _UNKNOWN)
        return statement if chosen in {None, self._connection.data_version()} else None

    def keep(self, asked: Asked, statement: PageStatement, chosen: int | None) -> None:
        """Remember a statement.

        `chosen` is the version of the store that its lead was chosen by, None where there was no choice: another may
        be better once something was written, though none is wrong.
        """
        if len(statement.values) > MOST_VALUES:
            return
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[asked] = statement, chosen


def asked_for(
    sight: Visibility, plan: Plan, after: Position | None, limit: int, *, records: bool
) -> Asked:
    """Return all that the statement of a page depends on."""
    if sight.audience is not None:
        sight = replace(sight, at=0)
    return plan, sight, limit, after is None, records


def position_of(date: int, rid: int) -> Position:
    """Return a place as a position of the contract."""
    return None if date == NO_DATE else date, rid


def place_of(after: Position | None) -> Place | None:
    """Return the place of a position in the order of primary dates."""
    if after is None:
        return None
    date, rid = after
    return NO_DATE if date is None else int(date), int(rid or 0)
