"""The search parameters of scopes (`patient/Observation.rs?category=laboratory`) as predicates on index records. Pure.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Protocol

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.errors import FhirError
from fhir_server.fhir.resource import Key, Resource
from fhir_server.search.compartments import membership
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    IsPresent,
    Not,
    Predicate,
)
from fhir_server.search.indexing import Extractor
from fhir_server.search.matching import matches
from fhir_server.search.parsing import parse_criteria
from fhir_server.search.record import IndexRecord

_MOMENTS = (0, 2**52)
"""Two moments far apart (us): what is asked for must not depend on when it is asked."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What resources of some types must satisfy to be seen; `extract` makes the index record of a past version."""

    by_type: tuple[tuple[str, Predicate], ...]
    extract: Callable[[Resource], IndexRecord] = field(compare=False, repr=False)

    def of(self, resource_type: str) -> Predicate | None:
        """Return what a type must satisfy, None where that is nothing."""
        return next((asked for kind, asked in self.by_type if kind == resource_type), None)

    def meets(self, resource_type: str, record: IndexRecord) -> bool:
        """Tell whether a resource may be seen, by its index record."""
        asked = self.of(resource_type)
        return asked is None or matches(asked, record, updated=0)

    def __and__(self, other: Criteria) -> Criteria:
        """Ask for what both ask for."""
        both = dict(self.by_type)
        for each, asked in other.by_type:
            both[each] = asked if both.get(each, asked) == asked else AllOf((both[each], asked))
        return Criteria(tuple(sorted(both.items(), key=itemgetter(0))), self.extract)


class Reader(Protocol):
    """What reads the parameters of scopes, by the search parameters in force."""

    @property
    def extract(self) -> Callable[[Resource], IndexRecord]:
        """What makes index records."""
        ...

    def asked(self, resource_type: str, parameters: str) -> Predicate | None:
        """Return what the parameters of a scope ask for; None where no right can be made of it."""
        ...

    def of_patient(self, resource_type: str, patient: str) -> Predicate:
        """Return that a resource is in the compartment of a patient."""
        ...


@dataclass(frozen=True, slots=True)
class SearchReader:
    """Reads them as a search does; `base_url` is where absolute references are to this server."""

    definitions: Definitions
    extractor: Extractor
    base_url: str

    @property
    def extract(self) -> Callable[[Resource], IndexRecord]:
        """See Reader.extract."""
        return self.extractor.extract

    def asked(self, resource_type: str, parameters: str) -> Predicate | None:
        """See Reader.asked."""
        if resource_type not in self.definitions.resource_types:
            return None
        try:
            first, second = (self._parsed(resource_type, parameters, each) for each in _MOMENTS)
        except FhirError:
            return None
        return first if first == second and is_of_content(first) else None

    def of_patient(self, resource_type: str, patient: str) -> Predicate:
        """See Reader.of_patient."""
        return membership(self.definitions, resource_type, Key("Patient", patient))

    def _parsed(self, resource_type: str, parameters: str, now: int) -> Predicate:
        plan = parse_criteria(
            resource_type,
            parameters,
            self.definitions,
            now=now,
            base_url=self.base_url,
            zone=self.extractor.zone.key,
        )
        return plan.predicate_of(resource_type)


def is_of_content(predicate: Predicate) -> bool:
    """Tell whether a predicate is about the content of one resource alone: not other resources, words or moments."""
    match predicate:
        case (
            HasTerm()
            | HasAnyTerm()
            | HasTermBetween()
            | HasTermContaining()
            | HasRange()
            | HasId()
            | IsPresent()
        ):
            return True
        case Not(inner):
            return is_of_content(inner)
        case AllOf(parts) | AnyOf(parts):
            return all(map(is_of_content, parts))
        case _:
            return False
