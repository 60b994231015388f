"""How a plan is driven: which predicate leads, what that costs. Pure; each store brings its own counts.

A driver yields candidates; all other predicates are checked on each of them. A term's posting list is in
page order already; what a range, a prefix or a time of change finds must be gathered and sorted first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, permutations

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
from fhir_server.search.record import is_posted, pair_term

SECOND = 1_000_000
DAY = 86_400 * SECOND
SPANS = (SECOND, DAY, 31 * DAY, 366 * DAY)
"""The longest interval of each span class but the last, in microseconds."""

OPEN = len(SPANS)
"""The span class of what is longer, or open at an end."""

SHORT = 64
"""A lead with fewer candidates is taken at once."""

PROBE = 1_000
"""How far candidates are counted before one of them is chosen as driver."""

GATHER = 20_000
"""How many candidates may be gathered and sorted for one page."""


@dataclass(frozen=True, slots=True)
class Driver:
    """The leading predicate (None: the list of the type), and those that remain to be checked.

    `considered` are those that could have led.
    """

    lead: Predicate | None
    rest: tuple[Predicate, ...]
    considered: Sequence[Predicate] = ()


def conjuncts(predicate: Predicate) -> Iterator[Predicate]:
    """Yield the predicates that must all hold, nested conjunctions opened."""
    if isinstance(predicate, AllOf):
        for each in predicate.predicates:
            yield from conjuncts(each)
    elif isinstance(predicate, Not) and isinstance(predicate.predicate, Not):
        yield from conjuncts(predicate.predicate.predicate)
    else:
        yield predicate


def choose(predicate: Predicate, count: Callable[[Predicate, int], int]) -> Driver:
    """Choose the driver; `count(predicate, most)` counts a lead's candidates, up to `most`."""
    parts = _paired(tuple(conjuncts(predicate)))
    ordered = [
        each
        for each in parts
        if isinstance(each, HasTerm | HasAnyTerm | HasId) and is_selective(each)
    ]
    ordered += [HasAnyTerm(terms) for each in parts if (terms := _terms_of_any(each))]
    gathered = [
        each
        for each in parts
        if isinstance(each, HasRange | HasTermContaining | HasWords | Updated)
        or (isinstance(each, HasTermBetween) and is_posted(each.low))
    ]
    lead = _cheapest(ordered, count)
    if gathered and (lead is None or count(lead, PROBE) >= PROBE):
        rival = _cheapest(gathered, count)
        most = GATHER if lead is None else PROBE
        if rival is not None and count(rival, most) < most:
            lead = rival
    rest = tuple(each for each in parts if each is not lead or not is_whole(each))
    return Driver(lead, rest, (*ordered, *gathered))


def _terms_of_any(predicate: Predicate) -> tuple[str, ...]:
    """Return terms of which each match of a disjunction has one: they lead to it; none if there is no telling."""
    return leading_terms(predicate) if isinstance(predicate, AnyOf) else ()


def leading_terms(predicate: Predicate) -> tuple[str, ...]:
    """Return posted terms of which each match has one, none if there is no telling."""
    match predicate:
        case HasTerm(term):
            return (term,) if is_posted(term) else ()
        case HasAnyTerm(terms):
            return terms if all(map(is_posted, terms)) else ()
        case AllOf(parts):
            return next(filter(None, map(leading_terms, parts)), ())
        case AnyOf(parts):
            found = [leading_terms(each) for each in parts]
            return tuple(dict.fromkeys(chain.from_iterable(found))) if all(found) else ()
        case _:
            return ()


def _paired(parts: tuple[Predicate, ...]) -> tuple[Predicate, ...]:
    """Write two terms that have a posting list together as one."""
    for first, second in permutations([each for each in parts if isinstance(each, HasTerm)], 2):
        if pair := pair_term(first.term, second.term):
            return (HasTerm(pair), *(e for e in parts if e is not first and e is not second))
    return parts


def is_whole(lead: Predicate) -> bool:
    """Tell whether all candidates of a lead satisfy it: rows of ranges do not tell their tags."""
    return not (isinstance(lead, HasRange) and lead.tags)


def _cheapest(
    leads: Sequence[Predicate], count: Callable[[Predicate, int], int]
) -> Predicate | None:
    """Return a lead with few candidates: the first that turns out short, the likeliest asked first."""
    if len(leads) <= 1:
        return leads[0] if leads else None
    likely = sorted(leads, key=_breadth)
    for most in (SHORT, PROBE):
        for each in likely:
            if count(each, most) < most:
                return each
    return likely[0]


def _breadth(lead: Predicate) -> int:
    """Return how broad a lead is likely to be: an id, what names one thing, a code, alternatives."""
    match lead:
        case HasId():
            return 0
        case HasTerm(term) if ">" in term or term.startswith("identifier="):
            return 1
        case HasTerm():
            return 2
        case _:
            return 3


def span_class(low: int | str, high: int | str) -> int:
    """Return the class of a stored range: instants, days, months, years, open; numbers: point, open."""
    if isinstance(low, str) or isinstance(high, str):
        return 0 if low == high else OPEN
    length = high - low
    for number, longest in enumerate(SPANS):
        if length <= longest:
            return number
    return OPEN


def spans_of(limits: Sequence[Limit]) -> Sequence[int]:
    """Return the span classes of what keeps the limits: numbers are points, or open."""
    return (0, OPEN) if _are_numbers(limits) else range(OPEN + 1)


def tightened(limits: Sequence[Limit], span: int) -> tuple[Limit, ...]:
    """Return the limits with those on `low` that follow for the ranges of one span class."""
    numbers = _are_numbers(limits)
    return tuple(_tightened(limits, span, numbers=numbers))


def _are_numbers(limits: Sequence[Limit]) -> bool:
    return any(isinstance(limit.value, str) for limit in limits)


def _tightened(limits: Sequence[Limit], span: int, *, numbers: bool) -> Iterator[Limit]:
    for limit in limits:
        yield limit
        if limit.end == "low":
            continue
        if limit.operator in {"<", "<="} or (numbers and span == 0):
            yield Limit("low", limit.operator, limit.value)
        elif span != OPEN and isinstance(limit.value, int):
            yield Limit("low", limit.operator, limit.value - SPANS[span])


def primary_bounds(predicate: Predicate) -> tuple[int | None, int | None]:
    """Return the first and last primary date that a match can have, None where there is no bound."""
    match predicate:
        case HasRange(limits=limits, primary=True):
            return _bounds(limits)
        case AllOf(parts) if parts:
            return _both(map(primary_bounds, parts))
        case AnyOf(parts) if parts:
            lows, highs = zip(*map(primary_bounds, parts), strict=True)
            return (
                None if None in lows else min(lows),
                None if None in highs else max(highs),
            )
        case _:
            return None, None


def _bounds(limits: Sequence[Limit]) -> tuple[int | None, int | None]:
    """Return the bounds of where a range begins: what ends before a moment begins before it, too."""
    low, high = [], []
    for limit in limits:
        match limit:
            case Limit("low", ">" | ">=", int(value)):
                low.append(value)
            case Limit(_, "<" | "<=", int(value)):
                high.append(value)
            case _:
                # Where a range ends says nothing of where it begins.
                continue
    return max(low, default=None), min(high, default=None)


def _both(
    bounds: Iterable[tuple[int | None, int | None]],
) -> tuple[int | None, int | None]:
    lows, highs = zip(*bounds, strict=True)
    return (
        max((each for each in lows if each is not None), default=None),
        min((each for each in highs if each is not None), default=None),
    )


def is_selective(predicate: Predicate) -> bool:
    """Tell whether a store can check this predicate without the index record."""
    match predicate:
        case HasTerm(term):
            return is_posted(term)
        case HasAnyTerm(terms):
            return all(map(is_posted, terms))
        case HasId() | Updated() | HasWords():
            return True
        case Not(inner):
            return is_selective(inner)
        case AllOf(inner) | AnyOf(inner):
            return all(is_selective(each) for each in inner)
        case HasTermBetween() | HasTermContaining() | HasRange() | IsNear() | IsPresent():
            return False
        case PointsTo() | PointedToBy() | InHierarchy():
            return False
