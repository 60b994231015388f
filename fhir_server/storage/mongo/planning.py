"""How the matches of one type are found: by which index, what the server checks, and what is left to be checked here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from fhir_server.search.bounds import primary_bounds
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    Predicate,
    Updated,
    asks_for_words,
)
from fhir_server.search.planning import Driver, choose, conjuncts
from fhir_server.search.record import is_posted
from fhir_server.storage.explanation import Lead
from fhir_server.storage.mongo.asking import settled
from fhir_server.storage.mongo.conditions import both
from fhir_server.storage.mongo.documents import (
    PLACE,
    RECORD,
    RESOURCE,
    Document,
    compartment_term,
)
from fhir_server.storage.mongo.schema import BY_ID, BY_MOMENT, BY_RANGE, BY_TERM, BY_TYPE
from fhir_server.storage.mongo.sights import Sight
from fhir_server.storage.mongo.statements import Statements
from fhir_server.storage.mongo.translation import Translation, translation_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """The matches of one type: `condition` finds them by the index `hint`; `residual` is to be checked of each.

    `lead` is what was chosen of `considered`, `checked` what the condition says besides.
    """

    kind: str
    condition: Document
    hint: str | None
    residual: Predicate | None
    lead: Predicate | None
    considered: tuple[Lead, ...]
    checked: tuple[Predicate, ...]

    @property
    def members(self) -> dict[str, int]:
        """The members of a document that are needed to check it."""
        if self.residual is None:
            return PLACE
        return {**RECORD, "b": 1} if asks_for_words(self.residual) else RECORD


class Planner:
    """Plans the searches of one request, as its caller sees things; what was counted is counted once."""

    def __init__(self, statements: Statements, sight: Sight) -> None:
        self._statements = statements
        self._sight = sight
        self._counts: dict[tuple[str, Predicate, int], int] = {}

    async def wanted(self, kind: str, written: Predicate) -> Wanted:
        """Return how the matches of a type are found: the cheapest index chosen; joins are written out."""
        whole = AllOf((*self._bounds(kind), written))
        translation = await translation_of(self._statements, kind, whole)
        driver = await settled(
            lambda look: choose(kind, whole, lambda lead, most: look((kind, lead, most))),
            partial(self._counted, translation),
            self._counts,
        )
        parts = [each for each in (driver.lead, *driver.rest) if each is not None]
        rest = tuple(each for each in conjuncts(written) if not translation.is_exact(each))
        return Wanted(
            kind,
            both(
                {"t": kind, "x": False},
                *map(translation.condition, parts),
                _dated(written),
            ),
            _index(driver.lead),
            AllOf(rest) if rest else None,
            driver.lead,
            self._leads(kind, driver),
            driver.rest,
        )

    def _bounds(self, kind: str) -> Iterator[Predicate]:
        """Yield what leads to no more than what may be seen: a compartment, the criteria of scopes."""
        sight = self._sight.visibility
        if (patient := sight.patient_of(kind)) is not None:
            yield HasTerm(compartment_term(patient))
        if (criterion := sight.criterion(kind)) is not None:
            yield criterion

    def _leads(self, kind: str, driver: Driver) -> tuple[Lead, ...]:
        counted: dict[Predicate, tuple[int, int]] = {}
        for (name, lead, most), number in self._counts.items():
            if name == kind:
                counted[lead] = max(counted.get(lead, (0, 0)), (most, number))
        return tuple(
            Lead(each, counted[each][1], exact=counted[each][1] < counted[each][0])
            for each in dict.fromkeys(driver.considered)
            if each in counted
        )

    async def _counted(self, translation: Translation, asked: tuple[str, Predicate, int]) -> int:
        """Count the candidates of a lead, up to a limit; what the caller may not see is counted too."""
        kind, lead, most = asked
        if isinstance(lead, HasId):
            return min(len(lead.ids), most)
        condition = both({"t": kind, "x": False}, translation.condition(lead))
        return await self._statements.count(RESOURCE, condition, limit=most, hint=_index(lead))


def _dated(predicate: Predicate) -> Document:
    """Return bounds of the primary date, in whose order the lists are."""
    first, last = primary_bounds(predicate)
    bounds = {"$gte": first, "$lte": last}
    kept = {operator: each for operator, each in bounds.items() if each is not None}
    return {"d": kept} if kept else {}


def _index(lead: Predicate | None) -> str | None:
    """Return the index that finds the candidates of a lead; None: the server chooses."""
    match lead:
        case HasId():
            return BY_ID
        case Updated():
            return BY_MOMENT
        case HasRange():
            return BY_RANGE
        case HasTerm() | HasAnyTerm() | HasTermBetween():
            return BY_TERM
        case HasTermContaining(prefix) if is_posted(prefix):
            return BY_TERM
        case AnyOf():
            return None
        case _:
            return BY_TYPE
