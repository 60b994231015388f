"""Whom a search names by NHS number, and nobody else: only then it is known before who can have an answer. Pure.

A criterion counts where nothing can match that a member has about others: `Patient?identifier=`, and
`Observation?patient:Patient.identifier=`, with numbers of ten digits in the system of NHS numbers alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fhir_server.conformance.definitions import Definitions
from fhir_server.federation.identities import PATIENT
from fhir_server.policy.person_marks import is_marked
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.search.query import Query
from fhir_server.search.record import IDENTIFIER


@dataclass(frozen=True, slots=True)
class Naming:
    """A criterion of a search: the parameter that a member has to know for it, and the numbers, one of which is meant."""

    code: str
    numbers: frozenset[str]


def namings(query: Query, resource_type: str, definitions: Definitions) -> tuple[Naming, ...]:
    """Return the criteria that name people: what matches is about somebody of each."""
    return tuple(_found(query, resource_type, definitions))


def _found(query: Query, resource_type: str, definitions: Definitions) -> Iterator[Naming]:
    for name, value in query.applied:
        code = _code(name, resource_type, definitions)
        numbers = [each.removeprefix(f"{NHS_NUMBER}|") for each in value.split(",")]
        whole = [f"{NHS_NUMBER}|{each}" for each in numbers if is_marked(each)]
        if code is not None and ",".join(whole) == value:
            yield Naming(code, frozenset(numbers))


def _code(name: str, resource_type: str, definitions: Definitions) -> str | None:
    """Return the parameter of this type by which Patients are named by identifier, None for any other."""
    if (resource_type, name) == (PATIENT, IDENTIFIER):
        return name
    head, _, inner = name.partition(".")
    reference, _, told = head.partition(":")
    known = definitions.search_parameters(resource_type).get(reference)
    if inner != IDENTIFIER or known is None or known.type != "reference":
        return None
    targets = (told,) if told else known.targets
    return reference if targets == (PATIENT,) else None
