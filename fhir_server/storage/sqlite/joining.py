"""Predicates that join a type with another, answered in the cheaper of two ways.

Either the other type is searched first, and what is found written out as references or ids: a predicate on one type,
which may lead. Or each candidate is asked in turn, by the references in its record or the posting list of those that
refer to it. Both ways read under the caller's own sight, at every hop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice

import apsw

from fhir_server.fhir.errors import TooCostly
from fhir_server.policy.visibility import Visibility
from fhir_server.search.canonicals import named, naming
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    Contained,
    HasAnyTerm,
    HasId,
    HasTerm,
    InHierarchy,
    Not,
    PointedToBy,
    PointsTo,
    Predicate,
    joins,
)
from fhir_server.search.matching import referred
from fhir_server.search.parameter_types.criterion import any_of
from fhir_server.search.planning import GATHER, PROBE, SHORT, choose, conjuncts, leading_terms
from fhir_server.search.record import IndexRecord, contained_term, reference_term
from fhir_server.storage.sqlite.candidates import Candidates
from fhir_server.storage.sqlite.contained import Inside
from fhir_server.storage.sqlite.hierarchies import reached
from fhir_server.storage.sqlite.leads import MERGED, Leads
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.words import WordsFound

WRITTEN_OUT = 1_000
"""How many resources of the other type are searched first for a page."""

WRITTEN_OUT_FOR_ALL = 20_000
"""How many targets for a total: each candidate is looked at anyhow."""

MOST_JOINED = 100_000
"""How often one search may ask whether another resource is there."""

REMEMBERED = 10_000
"""Answers that are remembered: many observations are of one patient."""


_ANY = 2**62


class _Few:
    """The resources of another type that satisfy a predicate: all of them."""

    def __init__(self, records: Sequence[IndexRecord]) -> None:
        self._records = records
        self.ids = frozenset(each.id for each in records)

    @cached_property
    def terms(self) -> frozenset[str]:
        """All that one of them can be found by."""
        return frozenset(term for record in self._records for term in record.terms)

    def naming(self, parameter: str) -> Predicate:
        """Return the predicate of what names one of them by a canonical URL."""
        return naming(self._records, parameter)

    def referred(self, chain: PointedToBy, most: int) -> Predicate | None:
        """Return the predicate of what they refer to, None if it is more than that."""
        parameter, own = chain.parameter, chain.own
        if chain.canonical:
            return named(self._records, parameter)
        ids = {each for record in self._records for each in referred(record, parameter, own)}
        return HasId(tuple(sorted(ids))) if len(ids) <= most else None


class Joins:
    """The other types of one search."""

    def __init__(
        self,
        connection: apsw.Connection,
        sight: Visibility,
        broad: dict[str, tuple[int, int]],
        *,
        most: int,
        of_all: bool,
    ) -> None:
        self._connection = connection
        self._sight = sight
        self._broad = broad
        self._words = WordsFound(connection)
        self._left = most
        self._most = most
        self._of_all = of_all
        self._answers: dict[tuple[str, Predicate], bool] = {}
        self._reached_of: dict[InHierarchy, frozenset[str]] = {}
        self._few_of: dict[tuple[str, Predicate], _Few | None] = {}

    def candidates(self, kind: str, predicate: Predicate) -> Candidates:
        """Return the matches of a predicate that may join."""
        view = self._view(kind)
        if joins(predicate):
            leads = Leads(view)
            asked = leads.expanded(self._reached(predicate))
            cheapest = self._cheapest(view, leads, asked)
            return Candidates(view, cheapest, asked=asked, of_all=self._of_all)
        return Candidates(view, predicate, of_all=self._of_all)

    def inside(self, kind: str, predicate: Predicate, wanted: Contained) -> Inside:
        """Return the matches of a predicate that are inside other resources."""
        return Inside(self._view(kind), self._standing(predicate), wanted, of_all=self._of_all)

    def exists(self, kind: str, predicate: Predicate, /) -> bool:
        """Tell whether a visible resource satisfies a predicate; raise TooCostly at the bound."""
        match predicate:
            case AllOf((HasId(ids), InHierarchy() as inner)):
                return not self._reach(inner).isdisjoint(ids)
            case AllOf((HasId(ids), inner)) if few := self._few_of.get((kind, inner)):
                return not few.ids.isdisjoint(ids)
            case AllOf((HasTerm(term), inner)) if few := self._few_of.get((kind, inner)):
                return term in few.terms
        known = self._answers.get((kind, predicate))
        if known is not None:
            return known
        if self._left == 0:
            message = (
                f"The chain would look at more than {self._most} resources: narrow the search, "
                "or search the other type first"
            )
            raise TooCostly(message)
        self._left -= 1
        if len(self._answers) >= REMEMBERED:
            self._answers.clear()
        answer = any(True for _ in self._records(kind, predicate))
        self._answers[kind, predicate] = answer
        return answer

    def _view(self, kind: str) -> View:
        return View(self._connection, self._sight, kind, self._broad, self.exists, self._words)

    def _reach(self, asked: InHierarchy) -> frozenset[str]:
        """Return the ids of what stands below or above."""
        if asked not in self._reached_of:
            self._reached_of[asked] = reached(self._view(asked.own), asked, self._most)
        return self._reached_of[asked]

    def _reached(self, predicate: Predicate) -> Predicate:
        """Write what stands in hierarchies out as ids."""
        match predicate:
            case InHierarchy():
                return HasId(tuple(sorted(self._reach(predicate))))
            case Not(inner):
                return Not(self._reached(inner))
            case AllOf(parts):
                return AllOf(tuple(map(self._reached, parts)))
            case AnyOf(parts):
                return any_of(map(self._reached, parts))
            case _:
                return predicate

    def _standing(self, predicate: Predicate) -> Predicate:
        """Write what stands below others in hierarchies out as terms: those that it refers to stand by themselves."""
        match predicate:
            case InHierarchy(parameter, own, ids, "below"):
                wholes = sorted({*ids, *self._reach(predicate)})
                terms = (reference_term(parameter, f"{own}/{each}") for each in wholes)
                return HasAnyTerm(tuple(terms))
            case Not(inner):
                return Not(self._standing(inner))
            case AllOf(parts):
                return AllOf(tuple(map(self._standing, parts)))
            case AnyOf(parts):
                return any_of(map(self._standing, parts))
            case _:
                return predicate

    def _records(self, kind: str, predicate: Predicate) -> Iterator[IndexRecord]:
        if self._sight.permits_type(kind):
            for _, _, record in self.candidates(kind, predicate).records():
                yield record

    def _few(self, kind: str, predicate: Predicate, most: int) -> _Few | None:
        """Return what satisfies a predicate, None if it is much."""
        if (kind, predicate) not in self._few_of:
            found = list(islice(self._records(kind, predicate), most + 1))
            self._few_of[kind, predicate] = None if len(found) > most else _Few(found)
        return self._few_of[kind, predicate]

    def _targets(self, target: str, inner: Predicate) -> frozenset[str] | None:
        """Return the ids of what a chain leads to, None if it is much."""
        if isinstance(inner, InHierarchy):
            ids = self._reach(inner)
            return ids if len(ids) <= WRITTEN_OUT_FOR_ALL else None
        few = self._few(target, inner, WRITTEN_OUT_FOR_ALL if self._of_all else WRITTEN_OUT)
        return None if few is None else few.ids

    def _cheapest(self, view: View, leads: Leads, predicate: Predicate) -> Predicate:
        """Return a predicate with those joins written out that are cheaper so."""
        parts = list(conjuncts(predicate))
        if self._most_gathered(view, leads, parts) == 0:
            return predicate
        long: dict[int, Predicate] = {}
        for place, each in enumerate(parts):
            written = self._written_out(leads, each)
            if written is not None and _is_long(written):
                long[place] = written
            elif written is not None:
                parts[place] = _checked(leads, written, each)
        # Many terms are good to lead, and slow to check: one join of them is enough.
        most = self._most_gathered(view, leads, parts)
        for place, written in long.items():
            if leads.count(_lead_of(written), most) < most:
                parts[place] = _checked(leads, written, parts[place])
                break
        return AllOf(tuple(parts))

    def _most_gathered(self, view: View, leads: Leads, parts: Sequence[Predicate]) -> int:
        """Return how long a lead may be to be better than those there are; 0 where they are short."""
        others = [each for part in parts for each in conjuncts(part) if not joins(each)]
        lead = choose(view.kind, AllOf((*view.bound, *others)), leads.count, of_all=True).lead
        if lead is None:
            return _ANY if self._of_all else GATHER
        number = leads.count(lead, PROBE)
        if number < SHORT:
            return 0
        return SHORT if number < PROBE else PROBE

    def _written_out(self, leads: Leads, predicate: Predicate) -> Predicate | None:
        """Return a join as what all matches satisfy on one type; None for what finds too many, or is no join."""
        match predicate:
            case PointsTo(parameter, target, inner, canonical=True):
                most = WRITTEN_OUT_FOR_ALL if self._of_all else WRITTEN_OUT
                few = self._few(target, inner, most)
                return None if few is None else few.naming(parameter)
            case PointsTo(_, target, inner):
                ids = self._targets(target, inner)
                return None if ids is None else _referring(leads, predicate, ids)
            case PointedToBy(source, _, _, inner):
                few = self._few(source, inner, WRITTEN_OUT)
                return None if few is None else few.referred(predicate, WRITTEN_OUT_FOR_ALL)
            case AnyOf(parts) if parts and all(map(_refers, parts)):
                written = []
                for each in parts:
                    alternative = self._written_out(leads, each) if joins(each) else each
                    if alternative is None:
                        return None
                    written.append(alternative)
                return any_of(written)
            case _:
                return None


def _referring(leads: Leads, chain: PointsTo, ids: Iterable[str]) -> Predicate:
    """Return the predicate of what refers to these resources, or to any contained one where that occurs."""
    terms = [reference_term(chain.parameter, f"{chain.target}/{each}") for each in sorted(ids)]
    if _may_be_contained(leads, chain):
        terms.append(contained_term(chain.parameter))
    return HasTerm(*terms) if len(terms) == 1 else HasAnyTerm(tuple(terms))


def _may_be_contained(leads: Leads, predicate: Predicate) -> bool:
    """Tell whether what a chain leads to may be in the resource itself: no posting list tells what that is."""
    match predicate:
        case PointsTo(parameter):
            return leads.count(HasTerm(contained_term(parameter)), 1) > 0
        case AnyOf(parts):
            return any(_may_be_contained(leads, each) for each in parts)
        case _:
            return False


def _checked(leads: Leads, written: Predicate, asked: Predicate) -> Predicate:
    """Return a join written out, with what was asked beside it where that says more."""
    return AllOf((written, asked)) if _may_be_contained(leads, asked) else written


def _refers(predicate: Predicate) -> bool:
    """Tell whether a predicate can be written out as terms."""
    match predicate:
        case AnyOf(parts):
            return all(map(_refers, parts))
        case _:
            return isinstance(predicate, PointsTo | HasTerm | HasAnyTerm)


def _lead_of(written: Predicate) -> HasId | HasAnyTerm:
    """Return what may lead to a written join."""
    return written if isinstance(written, HasId) else HasAnyTerm(leading_terms(written))


def _is_long(written: Predicate) -> bool:
    lead = _lead_of(written)
    return len(lead.ids if isinstance(lead, HasId) else lead.terms) > MERGED
