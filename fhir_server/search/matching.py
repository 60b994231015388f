"""What a predicate means: the oracle that every store is compared with. Pure.

Stores also check here what their own index cannot.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, assert_never

from msgspec import structs

from fhir_server.search.canonicals import named, naming
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
    Plan,
    PointedToBy,
    PointsTo,
    Predicate,
    SortKey,
    Updated,
)
from fhir_server.search.geography import distance
from fhir_server.search.ordering import PRIMARY, Order, SortValue, completed
from fhir_server.search.record import (
    NO_DATE,
    SEPARATOR,
    IndexRecord,
    Range,
    contained_term,
    is_on,
    place_term,
    reference_term,
)

_Value = TypeVar("_Value", int, str)

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

MARKERS = {"string": "^", "token": "=", "reference": ">", "uri": "@"}
"""Where a sort value is a term: the character between the parameter's code and the value."""


class Resolver(Protocol):
    """What a predicate that joins asks of the other resources: all that the caller may see, and no more."""

    def __call__(self, kind: str, predicate: Predicate, /) -> bool:
        """Tell whether a visible resource of this type, not deleted, satisfies the predicate."""
        ...


def nothing_resolves(_kind: str, _predicate: Predicate, /) -> bool:
    """Know no other resource."""
    return False


def says_nothing(_asked: HasWords, /) -> bool:
    """Know no text of the resource."""
    return False


def matches(  # noqa: C901, PLR0912 - one branch per case of the union
    predicate: Predicate,
    record: IndexRecord,
    *,
    updated: int,
    resolve: Resolver = nothing_resolves,
    says: Callable[[HasWords], bool] = says_nothing,
) -> bool:
    """Tell whether a resource matches; `updated` is the moment of its current version, `says` looks at its text."""
    match predicate:
        case HasTerm(term):
            return term in record.terms
        case HasAnyTerm(terms):
            return any(each in record.terms for each in terms)
        case HasTermBetween(low, high):
            return any(low <= each < high for each in record.terms)
        case HasTermContaining(prefix, text, at_end):
            start = len(prefix)
            return any(
                each.startswith(prefix)
                and (each.endswith(text, start) if at_end else each.find(text, start) >= 0)
                for each in record.terms
            )
        case HasRange():
            return any(_is_within(each, predicate) for each in record.ranges)
        case IsNear(parameter, latitude, longitude, metres):
            return any(
                distance(latitude, longitude, *each) <= metres for each in places(record, parameter)
            )
        case IsPresent(parameter):
            return parameter in record.present
        case HasId(ids):
            return record.id in ids
        case Updated(limits):
            return keeps(limits, updated, updated)
        case HasWords():
            return says(predicate)
        case PointsTo():
            return _points_to(predicate, record, updated, resolve)
        case PointedToBy():
            return _is_pointed_to(predicate, record, resolve)
        case InHierarchy(side="below"):
            return _is_below(predicate, record, resolve)
        case InHierarchy():
            return _is_above(predicate, record, resolve)
        case Not(inner):
            return not matches(inner, record, updated=updated, resolve=resolve, says=says)
        case AllOf(predicates):
            return all(
                matches(each, record, updated=updated, resolve=resolve, says=says)
                for each in predicates
            )
        case AnyOf(predicates):
            return any(
                matches(each, record, updated=updated, resolve=resolve, says=says)
                for each in predicates
            )
        case _:
            assert_never(predicate)


def _is_below(asked: InHierarchy, record: IndexRecord, resolve: Resolver) -> bool:
    """Tell whether a resource is part of one that is asked for, or of a visible one that is below it."""
    wholes = referred(record, asked.parameter, asked.own)
    if not set(wholes).isdisjoint(asked.ids):
        return True
    ahead = tuple(each for each in wholes if each not in asked.past)
    onward = replace(asked, past=(*asked.past, *ahead))
    return ahead != () and resolve(asked.own, AllOf((HasId(ahead), onward)))


def _is_above(asked: InHierarchy, record: IndexRecord, resolve: Resolver) -> bool:
    """Tell whether part of a resource is a visible one that is asked for, or one that is above it."""
    if record.id in asked.past:
        return False
    part = HasTerm(reference_term(asked.parameter, f"{asked.own}/{record.id}"))
    onward = replace(asked, past=(*asked.past, record.id))
    return resolve(asked.own, AllOf((part, AnyOf((HasId(asked.ids), onward)))))


def _points_to(predicate: PointsTo, record: IndexRecord, updated: int, resolve: Resolver) -> bool:
    parameter, target, inner = predicate.parameter, predicate.target, predicate.predicate
    if predicate.canonical:
        return resolve(target, AllOf((named((record,), parameter), inner)))
    found = referred(record, parameter, target)
    if found and resolve(target, AllOf((HasId(found), inner))):
        return True
    contained = _contained(record, parameter, target) if record.contained else ()
    return any(matches(inner, each, updated=updated, resolve=resolve) for each in contained)


def _is_pointed_to(predicate: PointedToBy, record: IndexRecord, resolve: Resolver) -> bool:
    if predicate.canonical:
        refers = naming((record,), predicate.parameter)
    else:
        refers = HasTerm(reference_term(predicate.parameter, f"{predicate.own}/{record.id}"))
    return resolve(predicate.source, AllOf((refers, predicate.predicate)))


def places(record: IndexRecord, parameter: str) -> Iterator[tuple[float, float]]:
    """Yield the latitude and longitude of each place of a record."""
    prefix = place_term(parameter, "")
    for each in record.terms:
        if each.startswith(prefix):
            latitude, _, longitude = each[len(prefix) :].partition("|")
            yield float(latitude), float(longitude)


def referred(record: IndexRecord, parameter: str, target: str) -> tuple[str, ...]:
    """Return the ids of the resources of one type that a record refers to by a parameter."""
    prefix = reference_term(parameter, f"{target}/")
    return tuple(each[len(prefix) :] for each in record.terms if each.startswith(prefix))


def _contained(record: IndexRecord, parameter: str, target: str) -> Iterator[IndexRecord]:
    """Yield the contained resources of one type that a record refers to; they may refer to each other."""
    for kind, each in record.contained:
        if kind == target and contained_term(parameter, each.id[1:]) in record.terms:
            yield structs.replace(each, contained=record.contained)


def _is_within(each: Range, asked: HasRange) -> bool:
    if not is_on(each.axis, asked.axis):
        return False
    limits = limits_on(each.axis, asked)
    return (
        limits is not None
        and keeps(limits, each.low, each.high)
        and all(tag in each.tags for tag in asked.tags)
    )


def keeps(limits: Iterable[Limit], low: Bound, high: Bound) -> bool:
    """Tell whether an interval keeps all the limits."""
    return all(
        _COMPARE[each.operator](low if each.end == "low" else high, each.value) for each in limits
    )


def sort_key(record: IndexRecord, key: SortKey, *, updated: int) -> SortValue:
    """Return the value a resource sorts by: its least for ascending, its greatest for descending."""
    if key.kind == PRIMARY:
        return None if record.primary == NO_DATE else record.primary
    if key.parameter == "_lastUpdated":
        return updated
    if key.parameter == "_id":
        return record.id.removeprefix("#")
    marker = MARKERS.get(key.kind)
    if marker is None:
        return _range_end(record, key)
    found = [
        value_of(each[len(prefix) :])
        for prefix in (code + marker for code in key.codes)
        for each in record.terms
        if each.startswith(prefix)
    ]
    return _extreme(found, descending=key.descending)


def value_of(text: str) -> str:
    """Return what a term sorts by, of what follows its marker: a code without its system.

    The separator stays, so that values are in the order of their terms.
    """
    value, separator, _ = text.partition(SEPARATOR)
    return value + separator


def _range_end(record: IndexRecord, key: SortKey) -> SortValue:
    found: list[Any] = [
        each.high if key.descending else each.low
        for each in record.ranges
        if each.axis.partition(SEPARATOR)[0] in key.codes
    ]
    end: SortValue = _extreme(found, descending=key.descending)
    return end


def _extreme(found: list[_Value], *, descending: bool) -> _Value | None:
    if not found:
        return None
    return max(found) if descending else min(found)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the order of a page is made of: a record, its version's moment, its surrogate id; and the resource's text."""

    record: IndexRecord
    updated: int
    rid: int
    says: Callable[[HasWords], bool] = says_nothing


def ordered(
    candidates: Iterable[Candidate], plan: Plan, resolve: Resolver = nothing_resolves
) -> list[Candidate]:
    """Return those that match the plan, in its order."""
    keys = completed(plan.sort)

    def place(each: Candidate) -> Order:
        values = (sort_key(each.record, key, updated=each.updated) for key in keys)
        return Order(keys, (*values, each.rid))

    found = (
        each
        for each in candidates
        if matches(
            plan.predicate, each.record, updated=each.updated, resolve=resolve, says=each.says
        )
    )
    return sorted(found, key=place)
