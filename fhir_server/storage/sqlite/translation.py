"""Predicates as SQL conditions on a source; visibility is `seeing`.

A candidate is named by three columns: its primary date, its rid and its owner class. What the term index
cannot check is left to its index record, and to the function that is the oracle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    HasWords,
    InHierarchy,
    IsNear,
    IsPresent,
    Limit,
    Not,
    PointedToBy,
    PointsTo,
    Predicate,
    Updated,
)
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.words import FIND, LIST, listed, match_text

Value = int | str

MOST_MARKS = 64
"""How many values a condition names one by one."""


@dataclass(slots=True)
class Condition:
    """SQL text and its parameters, grown together."""

    parts: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def add(self, text: str, *values: Value) -> None:
        """Add one conjunct."""
        self.parts.append(text)
        self.values.extend(values)

    def copy(self) -> Condition:
        """Return a condition that can grow by itself."""
        return Condition(list(self.parts), list(self.values))

    @property
    def text(self) -> str:
        """The conjuncts, or a condition that always holds."""
        return " AND ".join(self.parts) or "1"


@dataclass(frozen=True, slots=True)
class Source:
    """A table that candidates are found in, and the columns that name a candidate there."""

    table: str
    primary_date: str
    rid: str
    owner: str
    content: str
    """Index record and body of a candidate, of which one is enough: what the criteria of scopes look at."""
    version: str
    """The version of a candidate."""
    has_row: bool = False
    """Whether the row of the resource, `r`, is part of it."""

    @property
    def place(self) -> str:
        """The columns of a candidate's place."""
        return f"{self.primary_date}, {self.rid}"


_RECORD = "(SELECT w.record FROM resource w WHERE w.rid={}), NULL"
_VERSION = "(SELECT w.version FROM resource w WHERE w.rid={})"
POSTING = Source(
    *("term t", "t.primary_date", "t.rid", "t.owner"),
    *(_RECORD.format("t.rid"), _VERSION.format("t.rid")),
)
SPAN = Source(
    *("span g", "g.primary_date", "g.rid", "g.owner"),
    *(_RECORD.format("g.rid"), _VERSION.format("g.rid")),
)
LISTED = Source(
    *("resource r", "r.primary_date", "r.rid", "r.owner", "r.record, NULL", "r.version"),
    has_row=True,
)
WORDED = Source(
    # CROSS JOIN: SQLite keeps the driver that was chosen.
    "words CROSS JOIN resource r ON r.rid=words.rowid",
    "r.primary_date",
    "r.rid",
    "r.owner",
    "r.record, NULL",
    "r.version",
    has_row=True,
)
CURRENT = Source("resource c", "c.primary_date", "c.rid", "c.owner", "c.record, NULL", "c.version")
ARCHIVED = Source("history h", "0", "h.rid", "h.owner", "NULL, h.body", "h.version")
PAST = Source("history r", "0", "r.rid", "r.owner", "NULL, r.body", "r.version")
"""The history under the name that current rows have, where both are read in one statement."""


def needs_row(predicate: Predicate) -> bool:
    """Tell whether the condition reads the resource table."""
    match predicate:
        case HasId() | Updated():
            return True
        case Not(inner):
            return needs_row(inner)
        case AllOf(inner) | AnyOf(inner):
            return any(needs_row(each) for each in inner)
        case _:
            return False


def check(  # noqa: C901 - one branch per case of the union
    view: View, predicate: Predicate, source: Source, into: Condition
) -> None:
    """Add the condition that the candidate, of the view's type, satisfies a selective predicate."""
    match predicate:
        case HasTerm(term):
            _has_terms(view.kind, (term,), source, into)
        case HasAnyTerm(terms):
            _has_terms(view.kind, terms, source, into)
        case HasId(ids):
            among("r.id", ids, into)
        case Updated(limits):
            # The sign keeps SQLite from driving by the moment: that is for the planner to choose.
            add_limits(limits, dict.fromkeys(("low", "high"), "+r.moment"), into)
        case HasWords():
            _has_words(view, predicate, source, into)
        case Not(inner):
            nested = Condition()
            check(view, inner, source, nested)
            into.add(f"NOT ({nested.text})", *nested.values)
        case AllOf(parts):
            for each in parts:
                check(view, each, source, into)
        case AnyOf(parts):
            _any_of(view, parts, source, into)
        case (
            HasTermBetween()
            | HasTermContaining()
            | HasRange()
            | IsNear()
            | IsPresent()
            | PointsTo()
            | PointedToBy()
            | InHierarchy()
        ):
            message = f"{type(predicate).__name__} is checked on the index record"
            raise TypeError(message)
        case _:
            assert_never(predicate)


def add_limits(limits: Sequence[Limit], columns: dict[str, str], into: Condition) -> None:
    """Add limits on the columns that hold the low and the high end."""
    for limit in limits:
        into.add(f"{columns[limit.end]} {limit.operator} ?", limit.value)


def among(column: str, values: Sequence[str], into: Condition) -> None:
    """Add that a column has one of these values: many of them as one parameter, as SQLite takes 32,766."""
    if len(values) <= MOST_MARKS:
        into.add(f"{column} IN ({marks(values)})", *values)
    else:
        listed = msgspec.json.encode(values).decode()
        into.add(f"{column} IN (SELECT value FROM json_each(?))", listed)  # noqa: S608 - constants


def _has_terms(kind: str, terms: Sequence[str], source: Source, into: Condition) -> None:
    if not terms:
        into.add("0")
        return
    has = Condition()
    if len(terms) == 1:
        # By equality: an IN of one costs a third more.
        has.add("x.term = ?", f"{kind}.{terms[0]}")
    else:
        among("x.term", [f"{kind}.{each}" for each in terms], has)
    has.add(f"x.primary_date={source.primary_date} AND x.rid={source.rid}")
    into.add(f"EXISTS(SELECT 1 FROM term x WHERE {has.text})", *has.values)  # noqa: S608 - constants


def _has_words(view: View, asked: HasWords, source: Source, into: Condition) -> None:
    # The plus keeps SQLite from taking this for the driver.
    rid, found = f"+{source.rid}", view.words
    if not found.is_indexed:
        into.add(f"{rid} IN ({LIST})", listed(found.fresh(asked)))
    elif not found.unknown:
        into.add(f"{rid} IN ({FIND})", match_text(view.kind, asked))
    else:
        into.add(
            f"({rid} IN ({FIND}) AND {rid} NOT IN ({LIST}) OR {rid} IN ({LIST}))",
            match_text(view.kind, asked),
            listed(found.unknown),
            listed(found.fresh(asked)),
        )


def _any_of(view: View, parts: Sequence[Predicate], source: Source, into: Condition) -> None:
    texts = []
    values: list[Value] = []
    for each in parts:
        nested = Condition()
        check(view, each, source, nested)
        texts.append(f"({nested.text})")
        values.extend(nested.values)
    into.add("(" + (" OR ".join(texts) or "0") + ")", *values)


def marks(values: Sequence[object]) -> str:
    """Return a mark for each value."""
    return ",".join("?" * len(values))
