"""One alternative of a search parameter: what every type's `parse` is given. And what they have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fhir_server.conformance.definitions import SearchParameter
from fhir_server.fhir.errors import BadRequest, shown
from fhir_server.search.expression import (
    AnyOf,
    HasAnyTerm,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    Limit,
    Predicate,
)
from fhir_server.search.parameter_types.modifiers import modifiers_of
from fhir_server.search.record import LONGEST_VALUE, fold, prefix_end
from fhir_server.search.terminology import NO_VALUE_SETS, Terminology

Alternatives = tuple[tuple[Limit, ...], ...]
"""Limits on one range: all of those in one of these."""

_ESCAPED = re.compile(r"\\([,$|\\])")


class OfTheMoment(Exception):
    """What is asked for means something else at another moment, and none is given."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the meaning of a value depends on.

    The moment in microseconds (None: it may depend on none), the zone, this server's address, what is known of
    value sets.
    """

    moment: int | None
    zone: ZoneInfo
    base_url: str = ""
    terminology: Terminology = NO_VALUE_SETS

    @property
    def now(self) -> int:
        """The moment; raise OfTheMoment where there is none."""
        if self.moment is None:
            raise OfTheMoment
        return self.moment


@dataclass(frozen=True, slots=True)
class Criterion:
    """One value of one parameter, still escaped, with the modifier of its name.

    `within` is the chain or the composite that it is a part of, as it was asked; `negated` the modifier that was asked,
    where it is this one's opposite.
    """

    parameter: SearchParameter
    modifier: str | None
    value: str
    around: Surroundings
    within: str = ""
    negated: str | None = None

    def __str__(self) -> str:
        asked = self.negated or self.modifier
        modifier = f":{shown(asked)}" if asked else ""
        own = f"{self.parameter.code}{modifier}={shown(self.value)}"
        return f"{self.within}: {own}" if self.within else own

    def refuse_modifier(self) -> None:
        """Raise BadRequest if there is a modifier, for a type that has none."""
        if self.modifier is not None:
            raise self.wrong_modifier()

    def wrong_modifier(self) -> BadRequest:
        """Return the error for a modifier that is not among those that the parameter has."""
        kind = self.parameter.type
        known = ", ".join(f":{each}" for each in modifiers_of(self.parameter))
        return BadRequest(
            f"{self}: a {kind} parameter has no modifier :{shown(self.modifier or '')}; it has {known}"
        )

    def malformed(self, expected: str) -> BadRequest:
        """Return the error for a value that is not what the type asks for."""
        return BadRequest(f"{self}: a {self.parameter.type} parameter takes {expected}")


def split(text: str, separator: str) -> list[str]:
    """Return the parts between separators that are not escaped; the parts stay escaped."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    r"""Return the text that `\,`, `\$`, `\|` and `\\` stand for."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def escape(text: str) -> str:
    """Return a text as it is written in a search value."""
    return re.sub(r"([,$|\\])", r"\\\1", text)


def begins_with(prefix: str) -> HasTermBetween:
    """Return the predicate of a term that begins with the prefix."""
    return HasTermBetween(prefix, prefix_end(prefix))


def begins_otherwise(prefix: str, low: str, high: str) -> Predicate:
    """Return the predicate of a term that begins with the prefix and lies outside of low <= term < high."""
    return any_of((HasTermBetween(prefix, low), HasTermBetween(high, prefix_end(prefix))))


def next_term(term: str) -> str:
    """Return the first text after a term: no term has a NUL."""
    return term + "\0"


def check_length(criterion: Criterion, text: str) -> str:
    """Return a text that is searched by its beginning; raise BadRequest for one longer than is indexed."""
    if len(text) > LONGEST_VALUE:
        raise BadRequest(
            f"{criterion}: {criterion.parameter.code} is searched by its first {LONGEST_VALUE} "
            f"characters; this value has {len(text)}"
        )
    return text


def folded(criterion: Criterion) -> str:
    """Return the value folded, as strings are searched; raise BadRequest if punctuation is all there is."""
    found = fold(unescape(criterion.value))
    if not found:
        raise criterion.malformed("at least one letter or digit in what is searched for")
    return check_length(criterion, found)


def in_range(
    axis: str, alternatives: Alternatives, tags: tuple[str, ...] = (), unit: str = ""
) -> Predicate:
    """Return the predicate of a range on this axis, with these tags, that keeps one of the alternatives."""
    return any_of(HasRange(axis, limits, tags, unit=unit) for limits in alternatives)


def any_of(predicates: Iterable[Predicate]) -> Predicate:
    """Return the disjunction in its simplest form: terms and ids together, one predicate by itself."""
    terms: dict[str, None] = {}
    ids: dict[str, None] = {}
    others: dict[Predicate, None] = {}
    for each in predicates:
        match each:
            case HasTerm(term):
                terms[term] = None
            case HasAnyTerm(several):
                terms |= dict.fromkeys(several)
            case HasId(several):
                ids |= dict.fromkeys(several)
            case _:
                others[each] = None
    found: list[Predicate] = [*others]
    if terms:
        found.append(HasTerm(*terms) if len(terms) == 1 else HasAnyTerm(tuple(terms)))
    if ids:
        found.append(HasId(tuple(ids)))
    return found[0] if len(found) == 1 else AnyOf(tuple(found))
