"""Strings, matched by their folded beginning: https://hl7.org/fhir/R4/search.html#string."""

from __future__ import annotations

from fhir_server.fhir.fhirpath import Node
from fhir_server.search.expression import (
    AllOf,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    Predicate,
)
from fhir_server.search.parameter_types.criterion import (
    Criterion,
    begins_otherwise,
    begins_with,
    folded,
    next_term,
    unescape,
)
from fhir_server.search.parameter_types.entries import Entries, Indexer
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
        case _:
            raise criterion.wrong_modifier()


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
