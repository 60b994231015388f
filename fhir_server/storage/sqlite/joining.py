"""Predicates that join a type with another, answered in the cheaper of two ways.

Either the other type is searched first, and what is found written out as references or ids: a predicate on one type,
which may lead. Or each candidate is asked in turn, by the references in its record or the posting list of those that
refer to it. Both ways read under the caller's own sight, at every hop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import apsw

from fhir_server.fhir.errors import TooCostly
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasTerm,
    PointedToBy,
    PointsTo,
    Predicate,
    joins,
)
from fhir_server.search.matching import referred
from fhir_server.search.parameter_types.criterion import any_of
from fhir_server.search.planning import GATHER, PROBE, SHORT, choose, conjuncts
from fhir_server.search.record import IndexRecord, reference_term
from fhir_server.storage.sqlite.candidates import Candidates
from fhir_server.storage.sqlite.index import compartment_term
from fhir_server.storage.sqlite.leads import MERGED, Leads
from fhir_server.storage.sqlite.view import View

WRITTEN_OUT = 1_000
"""How many resources of the other type may be written out as references or ids."""

MOST_JOINED = 100_000
"""How often one search may ask whether another resource is there."""

REMEMBERED = 10_000
"""Answers that are remembered: many observations are of one patient."""


class Joins:
    """The other types of one search."""

    def __init__(
        self, connection: apsw.Connection, sight: Visibility, broad: set[str], most: int
    ) -> None:
        self._connection = connection
        self._sight = sight
        self._broad = broad
        self._left = most
        self._most = most
        self._answers: dict[tuple[str, Predicate], bool] = {}
        self._few_of: dict[tuple[str, Predicate], Sequence[IndexRecord] | None] = {}

    def candidates(self, kind: str, predicate: Predicate) -> Candidates:
        """Return the matches of a predicate that may join."""
        view = View(self._connection, self._sight, kind, self._broad, self.exists)
        if joins(predicate):
            predicate = self._cheapest(Leads(view), predicate)
        return Candidates(view, predicate)

    def exists(self, kind: str, predicate: Predicate, /) -> bool:
        """Tell whether a visible resource satisfies a predicate; raise TooCostly at the bound."""
        known = self._answers.get((kind, predicate))
        if known is not None:
            return known
        if self._left == 0:
            message = f"The chain would look at more than {self._most} resources: narrow the search"
            raise TooCostly(message)
        self._left -= 1
        if len(self._answers) >= REMEMBERED:
            self._answers.clear()
        answer = any(True for _ in self._records(kind, predicate))
        self._answers[kind, predicate] = answer
        return answer

    def _records(self, kind: str, predicate: Predicate) -> Iterator[IndexRecord]:
        if self._sight.permits_type(kind):
            for _, _, record in self.candidates(kind, predicate).records():
                yield record

    def _few(self, kind: str, predicate: Predicate) -> Sequence[IndexRecord] | None:
        """Return the records that satisfy a predicate, None if they are many."""
        if (kind, predicate) not in self._few_of:
            found = list(islice(self._records(kind, predicate), WRITTEN_OUT + 1))
            self._few_of[kind, predicate] = None if len(found) > WRITTEN_OUT else found
        return self._few_of[kind, predicate]

    def _cheapest(self, leads: Leads, predicate: Predicate) -> Predicate:
        """Return a predicate with those joins written out that are cheaper so."""
        parts = list(conjuncts(predicate))
        most = self._most_gathered(leads, [each for each in parts if not joins(each)])
        if most == 0:
            return predicate
        for place, each in enumerate(parts):
            written = self._written_out(each)
            if written is not None and _is_worth_it(leads, written, most):
                parts[place] = written
        return AllOf(tuple(parts))

    def _most_gathered(self, leads: Leads, others: Sequence[Predicate]) -> int:
        """Return how long a lead may be to be better than the others; 0 where those are short."""
        if self._sight.patient is not None:
            others = [HasTerm(compartment_term(self._sight.patient)), *others]
        lead = choose(AllOf(tuple(others)), leads.count).lead
        if lead is None:
            return GATHER
        number = leads.count(lead, PROBE)
        if number < SHORT:
            return 0
        return SHORT if number < PROBE else PROBE

    def _written_out(self, predicate: Predicate) -> Predicate | None:
        """Return a join as a predicate on one type; None for what finds too many, or is no join."""
        match predicate:
            case PointsTo(parameter, target, inner):
                records = self._few(target, inner)
                return None if records is None else _referring(parameter, target, records)
            case PointedToBy(source, parameter, own, inner):
                records = self._few(source, inner)
                return None if records is None else _referred(parameter, own, records)
            case AnyOf(parts) if parts:
                written = []
                for each in parts:
                    alternative = self._written_out(each)
                    if alternative is None:
                        return None
                    written.append(alternative)
                return any_of(written)
            case _:
                return None


def _is_worth_it(leads: Leads, written: Predicate, most: int) -> bool:
    """Tell whether a join that is written out is cheap to check, or short enough to lead."""
    match written:
        case HasAnyTerm(terms) if len(terms) > MERGED:
            return leads.count(written, most) < most
        case AnyOf():
            return False
        case _:
            return True


def _referring(parameter: str, target: str, records: Sequence[IndexRecord]) -> Predicate:
    terms = tuple(reference_term(parameter, f"{target}/{each.id}") for each in records)
    return HasTerm(*terms) if len(terms) == 1 else HasAnyTerm(terms)


def _referred(parameter: str, own: str, records: Sequence[IndexRecord]) -> Predicate:
    ids = {each: None for record in records for each in referred(record, parameter, own)}
    return HasId(tuple(ids))
