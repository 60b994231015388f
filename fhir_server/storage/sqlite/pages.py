"""Pages that one statement gives, with the statements remembered: planning and translating takes longer than running it.

What a statement says depends on what is asked, on who asks, and on where the page begins: of these the last, and the
moment, are bound when it runs. What holds for now alone, since the store was looked into for it, is not remembered.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import apsw

from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import Plan
from fhir_server.search.record import NO_DATE
from fhir_server.search.telling import TELLING
from fhir_server.storage.pages import Position, Row
from fhir_server.storage.sqlite.seeing import moments
from fhir_server.storage.sqlite.translation import Value
from fhir_server.storage.sqlite.undenied import Undenied
from fhir_server.storage.sqlite.windows import Place

REMEMBERED = 1_000
"""Statements that a connection remembers."""

MOST_VALUES = 50
"""Values of one that is remembered: clients choose how many they ask for, and could fill the memory."""

Asked: TypeAlias = tuple[Plan, Visibility, int, bool, bool]
Found: TypeAlias = tuple[tuple[Row, ...], Position | None]
"""The rows of a page, and where the next one starts."""

_UNKNOWN = None, None


class PageStatement:
    """The statement of a page of `limit` rows of one type and the one behind it: place, owner class, columns of a row.

    Between `head` and `tail` stands the condition that leaves out what is denied, row by row; the moments of the sight,
    and the place that the page comes after, are bound when it runs. The condition is left away where it is found
    afterwards that nothing on the page is denied. That is not tried again once it was in vain: what concerns many
    people shows many owner classes, and who denied something goes on denying it.
    """

    __slots__ = ("_bare", "_guarded", "_kind", "_limit", "_tries", "_values", "values")

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a statement
        self,
        kind: str,
        limit: int,
        head: str,
        values: tuple[Value, ...],
        guard: tuple[str, tuple[Value, ...]],
        tail: str,
    ) -> None:
        self._kind = kind
        self._limit = limit
        self._bare, self._guarded = f"{head}{tail}", f"{head} AND {guard[0]}{tail}"
        self._values = values
        self.values = (*values, *guard[1])
        # What tells of others is not judged by its own owner class alone.
        self._tries = bool(guard[1]) and kind not in TELLING

    def page(self, undenied: Undenied, sight: Visibility, after: Position | None) -> Found:
        """Return the page; raise NotAdmitted."""
        run, place = undenied.connection.execute, place_of(after) or ()
        if sight.audience is None:
            return self._page(run(self._bare, (*self._values, *place)).fetchall())
        if self._tries:
            found: list[Any] = run(self._bare, (*self._values, *place)).fetchall()
            holds = undenied.holds(sight.audience, {each[2] for each in found})
            if holds:
                return self._page(found)
            self._tries = holds is None
        guarded = (*self.values, *moments(sight), *place)
        return self._page(run(self._guarded, guarded).fetchall())

    def _page(self, found: list[Any]) -> Found:
        end = None
        if len(found) > self._limit:
            end = position_of(*found[self._limit - 1][:2])
            del found[self._limit :]
        kind = self._kind
        rows = [
            Row(kind, logical_id, version, moment, method, body, record)
            for _, _, _, logical_id, version, moment, method, body, record in found
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
