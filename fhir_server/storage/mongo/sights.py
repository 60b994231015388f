"""Visibility as conditions on documents, and what is denied to an audience at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fhir_server.fhir.json import parse_resource
from fhir_server.policy.decision import Audience
from fhir_server.policy.denying import ANY_KIND
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.mongo.conditions import NEVER, any_of, both
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.schema import STATE, STORE
from fhir_server.storage.mongo.statements import Statements
from fhir_server.storage.mongo.translation import translation_of


@dataclass(frozen=True, slots=True)
class Denied:
    """The owner classes that an audience is denied, by type; `*` is every type.

    `opened` are types of owner classes that an emergency opens all the same.
    """

    owners: Mapping[str, list[int]] = field(default_factory=dict)
    opened: Mapping[int, frozenset[str]] = field(default_factory=dict)

    def of(self, kind: str) -> list[int]:
        """Return those that are denied in a type."""
        denied = (*self.owners.get(ANY_KIND, ()), *self.owners.get(kind, ()))
        return [each for each in denied if not self._is_opened(each, kind)]

    def conditions(self) -> Iterator[Document]:
        """Yield what a document of whatever type satisfies that is not denied: all of these."""
        for kind, owners in self.owners.items():
            if kind == ANY_KIND:
                yield {"o": {"$nin": [each for each in owners if each not in self.opened]}}
            elif denied := [each for each in owners if not self._is_opened(each, kind)]:
                yield {"$nor": [{"t": kind, "o": {"$in": denied}}]}
        for owner, kinds in self.opened.items():
            if owner in self.owners.get(ANY_KIND, ()) and ANY_KIND not in kinds:
                yield {"$nor": [{"o": owner, "t": {"$nin": sorted(kinds)}}]}

    def _is_opened(self, owner: int, kind: str) -> bool:
        return not self.opened.get(owner, frozenset()).isdisjoint((ANY_KIND, kind))


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller sees; `denied` None where no audience is asked for.

    An audience that the store does not know is denied everything: `is_blind`. `criteria` are those of scopes, as
    conditions on what is current; of a past version its body tells (`shows`).
    """

    visibility: Visibility
    denied: Denied | None = None
    is_blind: bool = False
    criteria: Mapping[str, Document] = field(default_factory=dict)

    def of(self, kind: str) -> Document:
        """Return what a current document of this type that is seen satisfies."""
        return both(self.of_past(kind), self.criteria.get(kind, {}))

    def of_past(self, kind: str) -> Document:
        """Return what a past version of this type that is seen satisfies, but for criteria."""
        if self.is_blind or not self.visibility.permits_type(kind):
            return NEVER
        seen: Document = {}
        patient = self.visibility.patient_of(kind)
        if patient is not None:
            seen["c"] = patient
        if self.denied is not None and (owners := self.denied.of(kind)):
            seen["o"] = {"$nin": owners}
        return seen

    def of_any(self) -> list[Document]:
        """Return what a current document of whatever type that is seen satisfies: all of these."""
        met = [any_of([{"t": {"$ne": kind}}, each]) for kind, each in self.criteria.items()]
        return [*self.of_any_past(), *met]

    def of_any_past(self) -> list[Document]:
        """Return what a past version of whatever type that is seen satisfies, but for criteria: all of these."""
        if self.is_blind:
            return [NEVER]
        seen: list[Document] = []
        sight = self.visibility
        if sight.types is not None:
            seen.append({"t": {"$in": sorted(sight.types)}})
        if sight.patient is not None:
            seen.append({"$or": [{"t": {"$in": sorted(sight.unbound)}}, {"c": sight.patient}]})
        if self.denied is not None:
            seen += self.denied.conditions()
        return seen

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


Denial = tuple[int, str, int, int]
"""Owner class, type, since, until."""


class KnownDenials:
    """The denials of audiences as they were last read: good until the epoch of the store changes."""

    def __init__(self) -> None:
        self._epoch: tuple[str, int] | None = None
        self._rows: dict[int, tuple[Denial, ...] | None] = {}

    async def sight(self, statements: Statements, sight: Visibility) -> Sight:
        """Return what is seen by this sight at the moment of the transaction."""
        criteria = await criteria_of(statements, sight)
        if sight.audience is None:
            return Sight(sight, criteria=criteria)
        state = await statements.one(STATE, {"_id": STORE}, {"epoch": 1, "incarnation": 1})
        epoch = (state["incarnation"], state["epoch"]) if state else None
        if epoch is None or epoch != self._epoch:
            self._epoch, self._rows = epoch, {}
        key = sight.audience.key
        if key not in self._rows:
            self._rows[key] = await denials_of(statements, sight.audience)
        return seen(sight, self._rows[key], criteria)


async def sight_while_writing(statements: Statements, sight: Visibility) -> Sight:
    """Return what is seen within a transaction that writes: nothing is remembered of it."""
    criteria = await criteria_of(statements, sight)
    if sight.audience is None:
        return Sight(sight, criteria=criteria)
    return seen(sight, await denials_of(statements, sight.audience), criteria)


async def criteria_of(statements: Statements, sight: Visibility) -> dict[str, Document]:
    """Return the criteria of scopes by type, as conditions: what they are about is no deletion."""
    found: dict[str, Document] = {}
    for kind, predicate in sight.criteria.by_type if sight.criteria else ():
        translation = await translation_of(statements, kind, predicate)
        assert translation.is_exact(predicate), "criteria are about the content of one resource"
        found[kind] = both({"x": False}, translation.condition(predicate))
    return found


def seen(
    sight: Visibility, rows: Iterable[Denial] | None, criteria: Mapping[str, Document]
) -> Sight:
    """Return what is seen where these are the denials; None: the audience is not known."""
    if rows is None:
        return Sight(sight, is_blind=True)
    owners: dict[str, list[int]] = {}
    for owner, kind, since, until in rows:
        if since <= sight.at < until:
            owners.setdefault(kind, []).append(owner)
    opened: dict[int, set[str]] = {}
    for each in sight.opened:
        owner_text, _, kind = each.partition(".")
        opened.setdefault(int(owner_text), set()).add(kind)
    kinds = {number: frozenset(each) for number, each in opened.items()}
    return Sight(sight, Denied(owners, kinds), criteria=criteria)


async def denials_of(statements: Statements, audience: Audience) -> tuple[Denial, ...] | None:
    """Return the denials of an audience, None for one that the store does not know."""
    if await statements.one("audience", {"_id": audience.key}, {"_id": 1}) is None:
        return None
    rows = statements.find("denial", {"a": audience.key}, {"_id": 0, "o": 1, "rows": 1})
    return tuple([(each["o"], *row) async for each in rows for row in each["rows"]])
