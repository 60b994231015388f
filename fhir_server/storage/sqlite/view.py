"""What a search on one type reads through: a connection, the caller's sight, the type."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import HasTerm, Predicate
from fhir_server.search.matching import Resolver
from fhir_server.storage.sqlite.index import compartment_term
from fhir_server.storage.sqlite.words import WordsFound


@dataclass(frozen=True, slots=True)
class View:
    """One type as one caller sees it; `resolve` answers for the other types, as the same caller sees them.

    `broad` remembers of terms with many candidates how far they were counted, and the number: counting again would
    tell nothing new. Should it have changed since, a plan is slower, never wrong.
    """

    connection: apsw.Connection
    sight: Visibility
    kind: str
    broad: dict[str, tuple[int, int]]
    resolve: Resolver
    words: WordsFound

    @property
    def bound(self) -> tuple[Predicate, ...]:
        """What leads to no more than what may be seen: the compartment's own posting list, the criteria of scopes."""
        patient, criterion = self.sight.patient_of(self.kind), self.sight.criterion(self.kind)
        compartment = () if patient is None else (HasTerm(compartment_term(patient)),)
        return compartment if criterion is None else (*compartment, criterion)

    def key(self, term: str) -> str:
        """Return a term of this type as the term table has it."""
        return f"{self.kind}.{term}"
