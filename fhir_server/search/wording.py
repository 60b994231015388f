"""Predicates in words, for those who want to know what a search was understood as. Pure.

`Patient.name begins with "smi"`: the grammar of terms is that of `fhir_server.search.record`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

from fhir_server.fhir.instants import instant
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
from fhir_server.search.phrases import Every, Phrase, Some, Words
from fhir_server.search.record import ANY_CONTAINED, SEPARATOR, prefix_end
from fhir_server.search.sortable import HIGHEST, LOWEST, number_of

NAMED = 5
"""How many alternatives are named; of more it is told how many there are."""

_TERM = re.compile(r'([\w.-]+)([=~><#^!@%:"/])(.*)\Z', re.DOTALL)
_NUMBER = re.compile(r"5|3\d+~|7\d+").fullmatch
"""Sortable text of a number, and not what is just beside one."""
_DATES = range(-62_135_596_800_000_000, 253_402_300_800_000_000)
"""The moments that have a date; what is beyond them is an open end."""


def worded(kind: str, predicate: Predicate) -> str:  # noqa: C901, PLR0912 - one branch for each kind
    """Return what a predicate asks of a resource of this type."""
    match predicate:
        case HasTerm(term):
            return _term(kind, term)
        case HasAnyTerm(terms):
            return _any([_term(kind, each) for each in terms[:NAMED]], len(terms))
        case HasTermBetween(low, high):
            return _between(kind, low, high)
        case HasTermContaining(prefix, text, at_end):
            return f'{kind}.{prefix[:-1]} {"ends with" if at_end else "contains"} "{text}"'
        case HasRange(axis, limits, tags, unit=unit):
            tagged = "".join(f" with {_shown(each)}" for each in tags)
            counted = f" in {unit}" if unit else ""
            return f"{kind}.{_shown(axis)}{tagged} has {_limits(limits)}{counted}"
        case IsNear(parameter, latitude, longitude, metres):
            return f"{kind}.{parameter} is within {metres:g} m of {latitude:g}, {longitude:g}"
        case IsPresent(parameter):
            return f"{kind}.{parameter} is there"
        case HasId(ids):
            return _any([f"{kind}._id is {each}" for each in ids[:NAMED]], len(ids))
        case Updated(limits):
            return f"{kind}._lastUpdated has {_limits(limits)}"
        case HasWords(place, words):
            return f"the {place} of the {kind} has {_words(words)}"
        case PointsTo(parameter, target, inner):
            return f"{kind}.{parameter} refers to a {target} where {worded(target, inner)}"
        case PointedToBy(source, parameter, _, inner):
            return f"{source}.{parameter} refers to it from where {worded(source, inner)}"
        case InHierarchy(parameter, _, ids, side):
            return _any(
                [f"it stands {side} {each} by {kind}.{parameter}" for each in ids], len(ids)
            )
        case Not(inner):
            return f"not ({worded(kind, inner)})"
        case AllOf(parts):
            return _joined(" and ", [worded(kind, each) for each in parts], "always")
        case AnyOf(parts):
            return _joined(" or ", [worded(kind, each) for each in parts], "never")
        case _:
            assert_never(predicate)


def _words(asked: Words) -> str:
    match asked:
        case Phrase(words):
            return f'"{" ".join(words)}"'
        case Every(parts):
            return _joined(" and ", [_words(each) for each in parts], "anything")
        case Some(parts):
            return _joined(" or ", [_words(each) for each in parts], "nothing")


def _joined(word: str, texts: Sequence[str], none: str) -> str:
    return f"({word.join(texts)})" if len(texts) > 1 else next(iter(texts), none)


def _any(named: Sequence[str], number: int) -> str:
    more = [f"{number - len(named)} others"] if number > len(named) else []
    return _joined(" or ", [*named, *more], "never")


def _term(kind: str, term: str) -> str:
    if term == ANY_CONTAINED:
        return f"it contains a {kind.removeprefix('#')}"
    found = _TERM.match(term)
    if found is None:
        return f"it is in the compartment of Patient/{term.removeprefix('@')}"
    code, marker, value = found.groups()
    if marker == ">" and "&" in value:
        first, _, second = value.partition("&")
        return f"{kind}.{code} is {first} and {_term(kind, second)}"
    return f"{kind}.{code} {_VERBS[marker]} {_value(marker, value)}"


_VERBS = {
    "=": "is",
    "~": "is any code of system",
    ">": "is",
    "<": "is the contained",
    "#": "is by identifier",
    "^": "is, folded,",
    "!": "is exactly",
    "@": "is",
    "%": "is of type",
    ":": "is together",
    '"': "has the text",
    "/": "is in the cell",
}


def _value(marker: str, value: str) -> str:
    """Return what follows a marker; of a system its key alone is known."""
    if marker in '^!"':
        return f'"{value}"'
    if marker == "~":
        return _shown(value) or "none"
    first, *rest = value.split(SEPARATOR)
    if marker in "=#" and len(rest) == 1:
        return f"{first} of {f'system {rest[0]}' if rest[0] else 'no system'}"
    return _shown(value)


def _between(kind: str, low: str, high: str) -> str:
    found = _TERM.match(low)
    if found is None or high != prefix_end(low):
        return f"{kind} has a term from {_shown(low)} to {_shown(high)}"
    code, marker, value = found.groups()
    if marker in "=#" and value.endswith(SEPARATOR):
        return f"{kind}.{code} is {value[:-1]} of any system"
    has = " has a text that" if marker == '"' else ""
    return f'{kind}.{code}{has} begins with "{_shown(value)}"'


def _limits(limits: Sequence[Limit]) -> str:
    return " and ".join(f"{each.end} {each.operator} {bound(each.value)}" for each in limits)


def bound(value: Bound) -> str:
    """Return an end of a range: a moment, or a number."""
    if isinstance(value, int):
        return instant(value) if value in _DATES else "the open end"
    if value in {LOWEST, HIGHEST}:
        return "the open end"
    return f"{number_of(value):f}" if _NUMBER(value) else _shown(value)


def _shown(text: str) -> str:
    """Return a term or an axis without characters that cannot be seen."""
    return text.removesuffix(SEPARATOR).replace(SEPARATOR, "|")
