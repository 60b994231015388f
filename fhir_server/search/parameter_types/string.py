"""Strings, matched by their folded beginning: https://hl7.org/fhir/R4/search.html#string."""

from __future__ import annotations

from typing import assert_never

from fhir_server.fhir.fhirpath import Node
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    HasWords,
    Not,
    Predicate,
)
from fhir_server.search.parameter_types import text as texts_in_words
from fhir_server.search.parameter_types.criterion import (
    Criterion,
    any_of,
    begins_otherwise,
    begins_with,
    folded,
    next_term,
    unescape,
)
from fhir_server.search.parameter_types.entries import Entries, Indexer
from fhir_server.search.phrases import Every, Phrase, Some, Words
from fhir_server.search.record import exact_term, fold, prefix_end, string_term

_PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "postalCode", "country", "text"),
    "CodeableConcept": ("text",),
}
"""Types that are searched by any of their parts."""


def indexer(code: str) -> Indexer:
    """Return what indexes the values of a string parameter."""

    def index(node: Node, entries: Entries) -> None:
        for text in texts(node):
            entries.terms.append(string_term(code, text))
            entries.terms.append(exact_term(code, text))

    return index


def texts(node: Node) -> list[str]:
    """Return the strings by which a value can be found."""
    value = node.value
    if isinstance(value, str):
        return [value]
    found: list[str] = []
    for name in _PARTS.get(node.type, ()):
        part = value.get(name)
        if isinstance(part, str):
            found.append(part)
        elif part:
            # A list of strings may have null where a string has extensions only.
            found.extend(each for each in part if each is not None)
    return found


def parse(criterion: Criterion) -> Predicate:
    """Return what one value of a string parameter asks."""
    code, text = criterion.parameter.code, unescape(criterion.value)
    match criterion.modifier:
        case None:
            return begins_with(f"{code}^{folded(criterion)}")
        case "exact":
            # The folded text leads; the exact one is looked up in the record of what that finds.
            exact = HasTerm(exact_term(code, text))
            return AllOf((HasTerm(string_term(code, text)), exact)) if fold(text) else exact
        case "contains":
            return HasTermContaining(f"{code}^", folded(criterion))
        case "text":
            asked = texts_in_words.asked(criterion, "content", lambda each: fold(each).split())
            return _in_values(asked, f"{code}^")
        case _:
            raise criterion.wrong_modifier()


def _in_values(asked: Predicate, prefix: str) -> Predicate:
    """Return what is asked of the words of a text as it is asked of the folded values of a parameter."""
    match asked:
        case HasWords(words=words):
            return _words(words, prefix)
        case Not(inner):
            return Not(_in_values(inner, prefix))
        case AllOf(parts):
            return AllOf(tuple(_in_values(each, prefix) for each in parts))
        case AnyOf(parts):
            return any_of(_in_values(each, prefix) for each in parts)
        case _:
            raise AssertionError(asked)


def _words(words: Words, prefix: str) -> Predicate:
    match words:
        case Phrase(several):
            return _phrase(" ".join(several), prefix)
        case Every(parts):
            return AllOf(tuple(_words(each, prefix) for each in parts))
        case Some(parts):
            return any_of(_words(each, prefix) for each in parts)
        case _:
            assert_never(words)


def _phrase(phrase: str, prefix: str) -> Predicate:
    """Return that a value has these words as they follow each other: as all of it, first, last or in between."""
    return any_of(
        (
            HasTerm(prefix + phrase),
            begins_with(f"{prefix}{phrase} "),
            HasTermContaining(prefix, f" {phrase}", at_end=True),
            HasTermContaining(prefix, f" {phrase} "),
        )
    )


def compared(criterion: Criterion, operator: str) -> Predicate:
    """Return what an operator of the filter language asks of a whole string, folded, by its code points."""
    prefix = f"{criterion.parameter.code}^"
    text = folded(criterion)
    term = prefix + text
    match operator:
        case "eq":
            return HasTerm(term)
        case "ne":
            return begins_otherwise(prefix, term, next_term(term))
        case "lt":
            return HasTermBetween(prefix, term)
        case "le":
            return HasTermBetween(prefix, next_term(term))
        case "gt":
            return HasTermBetween(next_term(term), prefix_end(prefix))
        case "ge":
            return HasTermBetween(term, prefix_end(prefix))
        case "ew":
            return HasTermContaining(prefix, text, at_end=True)
        case _:
            raise AssertionError(operator)
