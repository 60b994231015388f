"""Includes along canonical URLs, as searches: what a page refers to by them, and what refers to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_server.conformance.definitions import Definitions
from fhir_server.search.canonicals import (
    canonical_parameters,
    has_canonical,
    named,
    naming,
    targets,
)
from fhir_server.search.expression import Include, Plan
from fhir_server.search.record import IndexRecord, reference_term
from fhir_server.storage.pages import Row


def referred(definitions: Definitions, include: Include, rows: Sequence[Row]) -> Iterator[Plan]:
    """Yield the searches for what the rows refer to."""
    for kind in sorted({row.stored.key.type for row in rows}):
        if include.source not in {kind, "*"}:
            continue
        for code, parameter in canonical_parameters(definitions, kind).items():
            if include.parameter not in {code, "*"}:
                continue
            records = _referring(rows, kind, reference_term(code, ""))
            for target in targets(definitions, parameter) if records else ():
                if include.target in {None, target}:
                    yield Plan(frozenset({target}), named(records, code))


def _referring(rows: Sequence[Row], kind: str, prefix: str) -> list[IndexRecord]:
    records = [row.record for row in rows if row.stored.key.type == kind]
    return [each for each in records if any(term.startswith(prefix) for term in each.terms)]


def referring(definitions: Definitions, include: Include, rows: Sequence[Row]) -> Iterator[Plan]:
    """Yield the searches for what refers to the rows."""
    wanted = [
        row
        for row in rows
        if include.target in {None, row.stored.key.type}
        and has_canonical(definitions, row.stored.key.type)
    ]
    every = include.source == "*"
    for source in sorted(definitions.resource_types) if every else [include.source]:
        for code, parameter in canonical_parameters(definitions, source).items():
            if include.parameter not in {code, "*"}:
                continue
            kinds = parameter.targets or definitions.resource_types
            records = [row.record for row in wanted if row.stored.key.type in kinds]
            if records:
                yield Plan(frozenset({source}), naming(records, code))
