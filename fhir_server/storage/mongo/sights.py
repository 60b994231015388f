"""Visibility as conditions on documents. What is denied to an audience is looked up by the door (`door`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fhir_server.fhir.json import parse_resource
from fhir_server.policy.denying import ANY_KIND
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.mongo.conditions import NEVER, any_of, both
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.statements import Statements
from fhir_server.storage.mongo.translation import translation_of


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller sees, but for what is denied to an audience.

    `criteria` are those of scopes, as conditions on what is current; of a past version its body tells (`shows`).
    `opened` are types of owner classes that an emergency opens.
    """

    visibility: Visibility
    criteria: Mapping[str, Document] = field(default_factory=dict)
    opened: Mapping[int, frozenset[str]] = field(default_factory=dict)

    def of(self, kind: str | None) -> Document:
        """Return what a current document of a type (None: of whatever type) that is seen satisfies."""
        if kind is not None:
            return both(self.of_past(kind), self.criteria.get(kind, {}))
        met = [any_of([{"t": {"$ne": kind}}, each]) for kind, each in self.criteria.items()]
        return both(self.of_past(None), *met)

    def of_past(self, kind: str | None) -> Document:
        """Return what a past version that is seen satisfies, but for criteria."""
        sight = self.visibility
        if kind is None:
            return both(self._of_types(), self._of_compartments())
        if not sight.permits_type(kind):
            return NEVER
        patient = sight.patient_of(kind)
        return {} if patient is None else {"c": patient}

    def _of_types(self) -> Document:
        types = self.visibility.types
        return {} if types is None else {"t": {"$in": sorted(types)}}

    def _of_compartments(self) -> Document:
        sight = self.visibility
        if sight.patient is None:
            return {}
        return any_of([{"t": {"$in": sorted(sight.unbound)}}, {"c": sight.patient}])

    @property
    def is_bound(self) -> bool:
        """Tell whether some resources of a type may be seen, and others not."""
        sight = self.visibility
        return any(each is not None for each in (sight.patient, sight.audience, sight.criteria))

    def shows(self, version: Document) -> bool:
        """Tell whether a past version satisfies the criteria of its type; a deletion satisfies none."""
        criteria, kind = self.visibility.criteria, version["t"]
        if criteria is None or criteria.of(kind) is None:
            return True
        body = version["b"]
        return body is not None and criteria.meets(kind, criteria.extract(parse_resource(body)))

    def opens(self, owner: int, kind: str) -> bool:
        """Tell whether an emergency opens a type of an owner class."""
        return not self.opened.get(owner, frozenset()).isdisjoint((ANY_KIND, kind))


async def sight_of(statements: Statements, sight: Visibility) -> Sight:
    """Return what is seen by this sight at the moment of the transaction."""
    return Sight(sight, await _criteria_of(statements, sight), _opened_by(sight))


async def _criteria_of(statements: Statements, sight: Visibility) -> dict[str, Document]:
    """Return the criteria of scopes by type, as conditions: what they are about is no deletion."""
    found: dict[str, Document] = {}
    for kind, predicate in sight.criteria.by_type if sight.criteria else ():
        translation = await translation_of(statements, kind, predicate)
        assert translation.is_exact(predicate), "criteria are about the content of one resource"
        found[kind] = both({"x": False}, translation.condition(predicate))
    return found


def _opened_by(sight: Visibility) -> dict[int, frozenset[str]]:
    opened: dict[int, set[str]] = {}
    for each in sight.opened:
        owner, _, kind = each.partition(".")
        opened.setdefault(int(owner), set()).add(kind)
    return {number: frozenset(kinds) for number, kinds in opened.items()}
