"""URIs, matched as a whole or by path: https://hl7.org/fhir/R4/search.html#uri."""

from __future__ import annotations

from fhir_server.fhir.fhirpath import Node
from fhir_server.search.expression import HasAnyTerm, HasTerm, HasTermContaining, Predicate
from fhir_server.search.parameter_types.criterion import (
    Criterion,
    any_of,
    begins_otherwise,
    begins_with,
    check_length,
    next_term,
    unescape,
)
from fhir_server.search.parameter_types.entries import Entries, Indexer
from fhir_server.search.record import uri_term


def indexer(code: str) -> Indexer:
    """Return what indexes the values of a URI parameter."""

    def index(node: Node, entries: Entries) -> None:
        if isinstance(node.value, str):
            for uri in with_and_without_version(node):
                entries.terms.append(uri_term(code, uri))

    return index


def with_and_without_version(node: Node) -> list[str]:
    """Return a URI, of a canonical `url|version` both forms."""
    uri: str = node.value
    bare, bar, _ = uri.partition("|")
    return [uri, bare] if bar and node.type == "canonical" else [uri]


def parse(criterion: Criterion) -> Predicate:
    """Return what one value of a URI parameter asks."""
    code, uri = criterion.parameter.code, unescape(criterion.value)
    match criterion.modifier:
        case None:
            return HasTerm(uri_term(code, uri))
        case "below":
            stem = check_length(criterion, uri.rstrip("/") + "/")
            return any_of([HasTerm(uri_term(code, stem[:-1])), begins_with(f"{code}@{stem}")])
        case "above":
            return HasAnyTerm(tuple(uri_term(code, each) for each in _above(uri)))
        case _:
            raise criterion.wrong_modifier()


def compared(criterion: Criterion, operator: str) -> Predicate:
    """Return what an operator of the filter language asks of a URI, as it is written."""
    prefix = f"{criterion.parameter.code}@"
    text = check_length(criterion, unescape(criterion.value))
    match operator:
        case "ne":
            return begins_otherwise(prefix, prefix + text, next_term(prefix + text))
        case "co":
            return HasTermContaining(prefix, text)
        case "sw":
            return begins_with(prefix + text)
        case "ew":
            return HasTermContaining(prefix, text, at_end=True)
        case _:
            raise AssertionError(operator)


def _above(uri: str) -> list[str]:
    """Return a URI and those of which it is below, each with and without a slash at its end."""
    scheme, found, rest = uri.rstrip("/").partition("://")
    start = scheme + found
    segments = rest.split("/") if found else start.split("/")
    stems = [
        (start if found else "") + "/".join(segments[:count])
        for count in range(len(segments), 0, -1)
    ]
    return [form for stem in stems for form in (stem, stem + "/")]
