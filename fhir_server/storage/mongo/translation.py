"""Predicates as conditions on documents.

A condition may say less than its predicate, never more: what is then left to check is asked of each index record, by the
function that is the oracle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from fhir_server.search.conversion import limits_on
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    Bound,
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
from fhir_server.search.planning import spans_of, tightened
from fhir_server.search.record import is_family, is_posted, prefix_end
from fhir_server.storage.mongo.conditions import any_of, both
from fhir_server.storage.mongo.documents import Document, axis_key
from fhir_server.storage.mongo.statements import Statements

_OPERATORS = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_LOWER = {">", ">="}


@dataclass(frozen=True, slots=True)
class Translation:
    """Predicates of one type as conditions; `axes` are those that there are of each family that is asked in a unit."""

    kind: str
    axes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def is_exact(self, predicate: Predicate) -> bool:
        """Tell whether a condition says all that a predicate does."""
        match predicate:
            case IsNear() | HasWords() | PointsTo() | PointedToBy() | InHierarchy():
                return False
            case Not(inner):
                return self.is_exact(inner)
            case AllOf(parts) | AnyOf(parts):
                return all(map(self.is_exact, parts))
            case _:
                return True

    def condition(self, predicate: Predicate) -> Document:  # noqa: C901, PLR0912 - one branch per case of the union
        """Return what each document that satisfies a predicate satisfies."""
        match predicate:
            case HasTerm(term):
                return {"k": self.key(term)} if is_posted(term) else {"u": term}
            case HasAnyTerm(terms):
                return self._any_term(terms)
            case HasTermBetween(low, high):
                return self._between(low, high)
            case HasTermContaining():
                return self._containing(predicate)
            case HasRange():
                return self._range(predicate)
            case IsPresent(parameter):
                return {"p": parameter}
            case HasId(ids):
                return {"i": {"$in": list(ids)}}
            case Updated(limits):
                return {"m": compared(limits)}
            case Not(inner):
                return {"$nor": [self.condition(inner)]} if self.is_exact(inner) else {}
            case AllOf(parts):
                return both(*map(self.condition, parts))
            case AnyOf(parts):
                conditions = [self.condition(each) for each in parts]
                return any_of(conditions)
            case IsNear() | HasWords() | PointsTo() | PointedToBy() | InHierarchy():
                return {}
            case _:
                assert_never(predicate)

    def key(self, term: str) -> str:
        """Return a term of this type as documents have it."""
        return f"{self.kind}.{term}"

    def _any_term(self, terms: Sequence[str]) -> Document:
        posted = [self.key(each) for each in terms if is_posted(each)]
        others = [each for each in terms if not is_posted(each)]
        conditions: list[Document] = []
        if posted:
            conditions.append({"k": {"$in": posted}})
        if others:
            conditions.append({"u": {"$in": others}})
        return any_of(conditions)

    def _between(self, low: str, high: str) -> Document:
        if is_posted(low):
            return {"k": {"$elemMatch": {"$gte": self.key(low), "$lt": self.key(high)}}}
        return {"u": {"$elemMatch": {"$gte": low, "$lt": high}}}

    def _containing(self, asked: HasTermContaining) -> Document:
        posted = is_posted(asked.prefix)
        prefix = self.key(asked.prefix) if posted else asked.prefix
        end = r"(?![\s\S])" if asked.at_end else ""
        pattern = f"^{_literal(prefix)}[\\s\\S]*{_literal(asked.text)}{end}"
        return {"k" if posted else "u": {"$regex": pattern}}

    def _range(self, asked: HasRange) -> Document:
        return any_of([{"r": {"$elemMatch": each}} for each in self._ranges(asked)])

    def _ranges(self, asked: HasRange) -> Iterator[Document]:
        """Yield what one range satisfies that keeps the limits, for each axis and span class that it may be on."""
        if not is_family(asked.axis):
            for span in spans_of(asked.limits):
                yield self._on(asked.axis, span, asked)
        elif asked.unit:
            for axis, span in map(self._parts, self.axes.get(asked.axis, ())):
                if limits_on(axis, asked) is not None:
                    yield self._on(axis, span, asked)
        else:
            key = self.key(asked.axis)
            several = {"$gte": key, "$lt": prefix_end(key)}
            yield {"a": several, **_kept(asked.limits), **_tagged(asked)}

    def _on(self, axis: str, span: int, asked: HasRange) -> Document:
        limits = limits_on(axis, asked)
        assert limits is not None, "an axis of another dimension is left out"
        key = axis_key(self.kind, axis, span)
        return {"a": key, **_kept(tightened(limits, span)), **_tagged(asked)}

    def _parts(self, key: str) -> tuple[str, int]:
        axis, _, span = key[len(self.kind) + 1 :].rpartition(".")
        return axis, int(span)


def compared(limits: Iterable[Limit]) -> Document:
    """Return limits as a condition on one value: of several on one side the tightest."""
    tightest: dict[str, Bound] = {}
    for each in limits:
        operator = _OPERATORS[each.operator]
        known = tightest.get(operator)
        pick = max if each.operator in _LOWER else min
        tightest[operator] = each.value if known is None else pick(known, each.value)
    return dict(tightest)


def _kept(limits: Iterable[Limit]) -> Document:
    limits = list(limits)
    ends = {"l": "low", "h": "high"}
    kept = {
        name: compared([each for each in limits if each.end == end]) for name, end in ends.items()
    }
    return {name: each for name, each in kept.items() if each}


def _tagged(asked: HasRange) -> Document:
    return {"g": {"$all": list(asked.tags)}} if asked.tags else {}


def _literal(text: str) -> str:
    return re.escape(text).replace("\x00", r"\x00")


def families(predicate: Predicate) -> Iterator[str]:
    """Yield the families of axes that are asked in a unit: which there are is to be looked up."""
    match predicate:
        case HasRange() if is_family(predicate.axis) and predicate.unit:
            yield predicate.axis
        case Not(inner):
            yield from families(inner)
        case AllOf(parts) | AnyOf(parts):
            for each in parts:
                yield from families(each)
        case _:
            return


async def translation_of(statements: Statements, kind: str, predicate: Predicate) -> Translation:
    """Return what translates the predicates in this one: with the axes that there are of their families."""
    found: dict[str, list[str]] = {}
    for family in families(predicate):
        key = f"{kind}.{family}"
        axes = statements.find("axis", {"_id": {"$gte": key, "$lt": prefix_end(key)}})
        found[family] = [each["_id"] async for each in axes]
    return Translation(kind, found)
