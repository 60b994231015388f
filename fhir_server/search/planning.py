"""How a plan is driven: which predicate leads, what that costs. Pure; each store brings its own counts.

A driver yields candidates; all other predicates are checked on each of them. A term's posting list is in
page order already; what a range, a prefix or a time of change finds must be gathered and sorted first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, permutations, product
from math import isqrt

from fhir_server.search.bounds import is_listed
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
from fhir_server.search.record import coded_axis, is_posted, pair_term

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

BROAD = 100_000
"""How far a lead is counted to tell how often a candidate of it matches."""

PAGE = 20
"""How many matches a page is likely to show."""

CHECKED = 20
"""What it costs to check a candidate on its record, where to gather one from an index costs 1."""

PROBED = 5
"""What it costs to gather one that another index must have as well."""

MOST_CODES = 8
"""How many codes are asked together with a value; of more, each candidate is checked."""


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


def choose(
    kind: str,
    predicate: Predicate,
    count: Callable[[Predicate, int], int],
    *,
    of_all: bool = False,
) -> Driver:
    """Choose the driver in one type; `count(predicate, most)` counts a lead's candidates, up to `most`.

    `of_all`: every match is wanted, not those that come first.
    """
    whole = tuple(conjuncts(predicate))
    parts = _paired(kind, whole)
    ordered = (*filter(_is_ordered, parts), *_terms_of_any(parts))
    gathered = [each for each in parts if _is_gathered(each) and (of_all or not is_listed(each))]
    lead = _cheapest(ordered, count)
    if not gathered or (lead is not None and count(lead, PROBE) < PROBE):
        return _driver(lead, parts, (*ordered, *gathered))
    coded = tuple(_coded(kind, whole))
    considered = (*ordered, *gathered, *(each.lead for each in coded))
    for each in coded:
        if lead is not None and (of_all or each.pays(lead, count)):
            return Driver(each.lead, each.rest, considered)
    rival = _cheapest(gathered, count)
    most = GATHER if lead is None else PROBE
    chosen = lead if rival is None or count(rival, most) >= most else rival
    return _driver(chosen, parts, considered)


def _driver(
    lead: Predicate | None, parts: Sequence[Predicate], considered: Sequence[Predicate]
) -> Driver:
    rest = tuple(each for each in parts if each is not lead or not is_whole(each))
    return Driver(lead, rest, considered)


def _terms_of_any(parts: Sequence[Predicate]) -> Iterator[HasAnyTerm]:
    """Yield for each disjunction the terms of which each match has one, if there are such: they lead to it."""
    for each in parts:
        if isinstance(each, AnyOf) and (terms := leading_terms(each)):
            yield HasAnyTerm(terms)


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


def _is_ordered(part: Predicate) -> bool:
    return isinstance(part, HasTerm | HasAnyTerm | HasId) and is_selective(part)


def _is_gathered(part: Predicate) -> bool:
    if isinstance(part, AnyOf):
        # Of primary dates lists are read between bounds instead.
        return part.predicates != () and all(
            _is_gathered(each) and not (isinstance(each, HasRange) and each.primary)
            for each in part.predicates
        )
    if isinstance(part, HasTermBetween):
        return is_posted(part.low)
    return isinstance(part, HasRange | HasTermContaining | HasWords | Updated)


def _paired(kind: str, parts: tuple[Predicate, ...]) -> tuple[Predicate, ...]:
    """Write two terms that have a posting list together as one."""
    for first, second in permutations([each for each in parts if isinstance(each, HasTerm)], 2):
        if pair := pair_term(kind, first.term, second.term):
            return (HasTerm(pair), *(e for e in parts if e is not first and e is not second))
    return parts


@dataclass(frozen=True, slots=True)
class _Coded:
    """A code and a value that lead as one, what remains to be checked then, and the code's own predicate."""

    code: Predicate
    lead: Predicate
    rest: tuple[Predicate, ...]

    def pays(self, lead: Predicate, count: Callable[[Predicate, int], int]) -> bool:
        """Tell whether gathering its m candidates costs less than reading another lead until a page is found.

        Of n that have the code m have the value: a page takes its share of n / m checks, or the whole lead.
        """
        step = PROBED if any(map(is_selective, self.rest)) else 1
        page = isqrt(PAGE * CHECKED * count(self.code, BROAD) // step)
        most = min(page, CHECKED * count(lead, PROBE * PROBED) // step, GATHER)
        return count(self.lead, most) < most


def _coded(kind: str, parts: tuple[Predicate, ...]) -> Iterator[_Coded]:
    """Yield what leads by a code and a value as one, where the index has an axis of both."""
    codes = [each for each in parts if isinstance(each, HasTerm | HasAnyTerm)]
    values = [each for each in parts if isinstance(each, HasRange)]
    for code, value in product(codes, values):
        # There is one value: it keeps the limits of all that ask for it.
        same = [each for each in values if (each.axis, each.unit) == (value.axis, value.unit)]
        limits = tuple(chain.from_iterable(each.limits for each in same))
        if lead := _together(kind, code, replace(value, limits=limits, tags=())):
            told = (code, *filter(is_whole, same))
            rest = (each for each in parts if not any(each is other for other in told))
            yield _Coded(code, lead, tuple(rest))


def _together(kind: str, code: HasTerm | HasAnyTerm, value: HasRange) -> Predicate | None:
    """Return a code and a value as one predicate; None where they have no axis together."""
    terms = (code.term,) if isinstance(code, HasTerm) else code.terms
    axes = [coded_axis(kind, each, value.axis) for each in terms[: MOST_CODES + 1]]
    ranges = tuple(replace(value, axis=each) for each in axes if each is not None)
    if not ranges or len(ranges) < len(axes) or len(ranges) > MOST_CODES:
        return None
    return ranges[0] if len(ranges) == 1 else AnyOf(ranges)


def is_whole(lead: Predicate) -> bool:
    """Tell whether all candidates of a lead satisfy it: rows of ranges do not tell their tags."""
    match lead:
        case HasRange(tags=tags):
            return not tags
        case AnyOf(parts):
            return all(map(is_whole, parts))
        case _:
            return True


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
    """Return the limits with those on `low` that follow for the ranges of one span class: a point is its `low`."""
    numbers = _are_numbers(limits)
    return tuple(_tightened(limits, span, numbers=numbers))


def _are_numbers(limits: Sequence[Limit]) -> bool:
    return any(isinstance(limit.value, str) for limit in limits)


def _tightened(limits: Sequence[Limit], span: int, *, numbers: bool) -> Iterator[Limit]:
    for limit in limits:
        if numbers and span == 0:
            yield Limit("low", limit.operator, limit.value)
            continue
        yield limit
        if limit.end == "low":
            continue
        if limit.operator in {"<", "<="}:
            yield Limit("low", limit.operator, limit.value)
        elif span != OPEN and isinstance(limit.value, int):
            yield Limit("low", limit.operator, limit.value - SPANS[span])


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
