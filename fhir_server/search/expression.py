"""What a search asks, as a closed set of predicates over one index record.

Parameter types parse their values into these; `matching` evaluates them (the oracle); each store translates
just these. All of them concern one resource type, whose name is no part of a term here; three of them join it with
other resources, one looks at the resource's text.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from fhir_server.search.phrases import Words

Bound: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class HasTerm:
    """The record has this term."""

    term: str


@dataclass(frozen=True, slots=True)
class HasAnyTerm:
    """The record has one of these terms; none of none."""

    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasTermBetween:
    """The record has a term t with low <= t < high: a prefix."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class HasTermContaining:
    """The record has a term that begins with `prefix` and has `text` somewhere after it, or at its end."""

    prefix: str
    text: str
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A condition on one end of a range: `low >= 5`."""

    end: Literal["low", "high"]
    operator: Literal["<", "<=", ">", ">="]
    value: Bound


@dataclass(frozen=True, slots=True)
class HasRange:
    """One and the same range on this axis, or family of axes, keeps all the limits and has all the tags.

    `primary`: a resource has at most one range there, and it begins at the primary date.
    `unit`: the limits count this UCUM unit, and are kept by what is in a unit of its dimension ("": numbers alone).
    """

    axis: str
    limits: tuple[Limit, ...]
    tags: tuple[str, ...] = ()
    primary: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class IsNear:
    """A place of the record under this parameter is at most so many metres from here."""

    parameter: str
    latitude: float
    longitude: float
    metres: float


@dataclass(frozen=True, slots=True)
class IsPresent:
    """The resource has the element of this search parameter."""

    parameter: str


@dataclass(frozen=True, slots=True)
class HasId:
    """The resource has one of these logical ids."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """The moment of the current version, in microseconds, keeps the limits (of either end)."""

    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class HasWords:
    """The narrative, or all text of the resource, has these words: they are no part of the index record."""

    place: Literal["narrative", "content"]
    words: Words


@dataclass(frozen=True, slots=True)
class PointsTo:
    """The resource refers by this parameter to one of type `target` that satisfies the predicate: a chain.

    `canonical`: it does so by URL, and version if it names one; else by type and id.
    """

    parameter: str
    target: str
    predicate: Predicate
    canonical: bool = False


@dataclass(frozen=True, slots=True)
class PointedToBy:
    """Some resource of type `source` that satisfies the predicate refers to this one, of type `own`: `_has`."""

    source: str
    parameter: str
    own: str
    predicate: Predicate
    canonical: bool = False


@dataclass(frozen=True, slots=True)
class InHierarchy:
    """The resource, of type `own`, stands below or above one of these ids: `parameter` leads upward, step by step.

    `past` is what the way has led through: it may be a circle.
    """

    parameter: str
    own: str
    ids: tuple[str, ...]
    side: Literal["above", "below"]
    past: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The predicate does not hold."""

    predicate: Predicate


@dataclass(frozen=True, slots=True)
class AllOf:
    """Each predicate holds; of none: always."""

    predicates: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one predicate holds; of none: never."""

    predicates: tuple[Predicate, ...]


Predicate: TypeAlias = (
    HasTerm
    | HasAnyTerm
    | HasTermBetween
    | HasTermContaining
    | HasRange
    | IsNear
    | IsPresent
    | HasId
    | Updated
    | HasWords
    | PointsTo
    | PointedToBy
    | InHierarchy
    | Not
    | AllOf
    | AnyOf
)

EVERYTHING = AllOf(())
NOTHING = AnyOf(())


def joins(predicate: Predicate) -> bool:
    """Tell whether a predicate asks for other resources as well."""
    match predicate:
        case PointsTo() | PointedToBy() | InHierarchy():
            return True
        case Not(inner):
            return joins(inner)
        case AllOf(parts) | AnyOf(parts):
            return any(map(joins, parts))
        case _:
            return False


def is_of_several(predicate: Predicate) -> bool:
    """Tell whether a predicate is about more than the index records of one type."""
    match predicate:
        case PointsTo() | PointedToBy() | InHierarchy() | HasWords():
            return True
        case Not(inner):
            return is_of_several(inner)
        case AllOf(parts) | AnyOf(parts):
            return any(map(is_of_several, parts))
        case _:
            return False


def asks_for_words(predicate: Predicate) -> bool:
    """Tell whether a predicate looks at the text of resources, of this type or of those that it joins."""
    match predicate:
        case HasWords():
            return True
        case Not(inner) | PointsTo(predicate=inner) | PointedToBy(predicate=inner):
            return asks_for_words(inner)
        case AllOf(parts) | AnyOf(parts):
            return any(map(asks_for_words, parts))
        case _:
            return False


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of the order; `parameter` is a search parameter's code, of type `kind`.

    `sources` are the parameters under which its values are indexed, where it is not by itself.
    """

    parameter: str
    kind: str
    descending: bool
    sources: tuple[str, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The parameters under which its values are indexed."""
        return self.sources or (self.parameter,)


@dataclass(frozen=True, slots=True)
class Include:
    """One `_include` or `_revinclude`: the parameter of `source` that refers; `*` for all of them."""

    source: str
    parameter: str
    target: str | None = None
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class Contained:
    """Resources inside others are matches: `alone`, or beside those that stand by themselves.

    `as_container`: the match is the resource around them, once however many of them there are.
    """

    alone: bool
    as_container: bool


@dataclass(frozen=True)
class Plan:
    """What a store is asked for: resources of these types (None: of every type), in this order.

    Without sort keys the newest primary date comes first, then the latest created.
    `placed` says by type what resources of that type must satisfy besides.
    With `contained`, which is asked of one type, what is inside other resources is found.
    """

    types: frozenset[str] | None
    predicate: Predicate = EVERYTHING
    sort: tuple[SortKey, ...] = ()
    placed: tuple[tuple[str, Predicate], ...] = ()
    contained: Contained | None = None

    def __hash__(self) -> int:
        """Return what is worked out once: a plan that is remembered is asked for at each search."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.types, self.predicate, self.sort, self.placed, self.contained))

    @cached_property
    def is_of_several(self) -> bool:
        """Tell whether it asks for other resources as well, or for their text."""
        return is_of_several(self.predicate) or any(is_of_several(each) for _, each in self.placed)

    @cached_property
    def asks_for_words(self) -> bool:
        """Tell whether it looks at the text of resources."""
        return any(map(asks_for_words, (self.predicate, *(each for _, each in self.placed))))

    def predicate_of(self, resource_type: str) -> Predicate:
        """Return all that resources of one type must satisfy."""
        own = tuple(each for name, each in self.placed if name == resource_type)
        return AllOf((*own, self.predicate)) if own else self.predicate
