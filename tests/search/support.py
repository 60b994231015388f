"""What tests of search have in common: definitions, a moment, an extractor."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from fhir_server.conformance.definitions import Definitions, SearchParameter, definitions_in
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import Resource
from fhir_server.search.contained import found_inside, inside
from fhir_server.search.custom import parameters_of
from fhir_server.search.expression import Plan, Predicate
from fhir_server.search.indexing import Extractor
from fhir_server.search.matching import Resolver, matches, nothing_resolves
from fhir_server.search.parsing import Query, parse_query
from fhir_server.search.record import IndexRecord
from fhir_server.search.words import has_words, texts_of

R4 = definitions_in(Path(__file__).resolve().parents[2] / "profiles" / "r4")
BASE = "http://example.org/fhir"


def _shipped() -> Definitions:
    """Return the definitions with the parameters that are shipped besides R4's."""
    added: dict[str, dict[str, SearchParameter]] = {}
    for path in (R4.folder.parent / "search-parameters").glob("*.json"):
        for base, each in parameters_of(parse_resource(path.read_bytes()), R4).items():
            added.setdefault(base, {})[each.code] = each
    return R4.extended_by(added)


DEFINITIONS = _shipped()
EXTRACTOR = Extractor(DEFINITIONS, base_url=BASE)


def micros(text: str) -> int:
    """Return an ISO moment in microseconds since 1970."""
    moment = datetime.fromisoformat(text)
    return round(moment.astimezone(UTC).timestamp() * 1_000_000)


NOW = micros("2024-06-15T12:00:00+00:00")
UPDATED = micros("2024-06-01T12:00:00+00:00")


def record_of(resource: Resource) -> IndexRecord:
    """Return the index record of a resource."""
    return EXTRACTOR.extract(resource)


def pairs_of(query: str) -> list[tuple[str, str]]:
    """Return the parameters of a query string that is not percent-encoded."""
    named = [each.partition("=") for each in query.split("&") if each]
    return [(name, value) for name, _, value in named]


def query_of(resource_type: str | None, query: str, *, lenient: bool = False) -> Query:
    """Return a parsed query."""
    return parse_query(
        resource_type, pairs_of(query), DEFINITIONS, now=NOW, lenient=lenient, base_url=BASE
    )


def is_found(
    plan: Plan,
    resource: Resource,
    *,
    resolve: Resolver = nothing_resolves,
    updated: int = UPDATED,
) -> bool:
    """Tell whether a search finds a resource, or what it contains where that is asked for."""
    assert plan.types

    def satisfies(predicate: Predicate, record: IndexRecord) -> bool:
        says = partial(has_words, texts_of(resource))
        return matches(predicate, record, updated=updated, resolve=resolve, says=says)

    record, wanted, own = record_of(resource), plan.contained, resource["resourceType"]
    itself = wanted is None or not wanted.alone
    if itself and own in plan.types and satisfies(plan.predicate, record):
        return True
    asked = inside(plan.predicate)
    return wanted is not None and any(
        found
        for kind in plan.types
        for found in found_inside(asked, kind, (own, record), satisfies)
    )
