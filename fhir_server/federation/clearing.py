"""What members answer, cleared before a page is filled: what the hub may not show is as if it had never come.

A member decides for itself; the hub decides besides, by the caller's rights, and by what was laid down here about the
people whom a resource mentions: Consents, and the register of opt-outs. Who they are is told by NHS number.
What opt-outs bind is left out where that cannot be told; for care what nobody is known to have denied is shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from fhir_server.federation.answers import Match, MemberPage
from fhir_server.federation.identities import (
    NOBODY,
    PATIENT,
    Directory,
    Identity,
    identity_of,
    named_in,
)
from fhir_server.federation.transport import Failed
from fhir_server.fhir.errors import FhirError, NotSupported
from fhir_server.fhir.json import parse
from fhir_server.fhir.resource import Resource
from fhir_server.policy.decision import Audience, Person, Policy, Subject
from fhir_server.policy.labels import labels_of
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    InHierarchy,
    Not,
    PointedToBy,
    PointsTo,
    Predicate,
)
from fhir_server.search.indexing import Extractor
from fhir_server.search.record import IndexRecord

PeopleOf: TypeAlias = Callable[[Collection[str]], Awaitable[Mapping[str, Person]]]
"""Returns who has these NHS numbers."""

MOST_PEOPLE = 2_000
"""People whom one page of a member may mention, that have to be looked up."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A resource of a page; `named` are the people whose numbers stand in it."""

    match: Match
    resource: Resource
    record: IndexRecord
    named: tuple[Identity, ...]


@dataclass(frozen=True, slots=True)
class Judge:
    """By what the hub decides for one caller at the moment `at` (us).

    `sight` is what the caller's rights reach, `personal` are the types that may tell of people. `bound`: opt-outs bind
    the purpose. `shown` is filled in: by address, the Patients of this server whom what was cleared concerns.
    """

    policy: Policy
    personal: frozenset[str]
    audience: Audience
    sight: Visibility
    bound: bool
    at: int
    people: PeopleOf
    shown: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def permits(
        self,
        kind: str,
        record: IndexRecord,
        identities: Sequence[Identity],
        people: Sequence[Person],
    ) -> bool:
        """Tell whether a resource may be shown that concerns these people."""
        if not self.sight.sees(kind, record):
            return False
        if self.bound and not all(each.known for each in identities):
            return False
        subject = Subject(kind, frozenset(labels_of(record)), kind in self.personal)
        laid_down = [each.provisions for each in people]
        return self.policy.decide(laid_down, self.audience, subject, at=self.at).effect == "permit"

    def check_joined(self, predicate: Predicate) -> None:
        """Raise NotSupported for what a resource is found by that the hub cannot see, and might have to hide.

        A reference from the resource to a Patient tells of somebody whom it mentions: the decision on it covers that.
        """
        match predicate:
            case PointsTo(target=target, predicate=inner):
                self._check_reached(target, own=target == PATIENT)
                self.check_joined(inner)
            case PointedToBy(source=source, predicate=inner):
                self._check_reached(source, own=False)
                self.check_joined(inner)
            case InHierarchy(own=own):
                self._check_reached(own, own=False)
            case Not(inner):
                self.check_joined(inner)
            case AllOf(parts) | AnyOf(parts):
                for each in parts:
                    self.check_joined(each)
            case _:
                pass

    def check_followed(self, source: str) -> None:
        """Raise NotSupported unless the hub may look for Patients by what refers to them: both are cleared then."""
        self._check_reached(PATIENT, own=True)
        if not self.sight.permits_type(source):
            self._check_reached(source, own=False)

    def _check_reached(self, kind: str, *, own: bool) -> None:
        if own and self.sight.permits_type(kind) and self.sight.criterion(kind) is None:
            return
        if kind in self.personal or not self.sight.permits_type(kind):
            raise NotSupported(
                f"What is found by way of {kind} cannot be decided on here: ask members themselves, or name another type"
                " where a reference has several (patient:Patient.identifier=…)"
            )


@dataclass(frozen=True, slots=True)
class Clearing:
    """Clears the pages of one member."""

    judge: Judge
    directory: Directory
    extractor: Extractor

    async def cleared(self, page: MemberPage, *, until: float) -> MemberPage:
        """Return a page with what may be shown of it; raise Failed. What it says of its total counts no more."""
        read = [self._read(each) for each in (*page.matches, *page.included)]
        identities = await self._identities(read, until)
        named = (one for each in read for one in each.named)
        numbers = {number for each in (*identities.values(), *named) for number in each.numbers}
        people = await self.judge.people(numbers) if numbers else {}
        kept = {each.match.full_url for each in read if self._permits(each, identities, people)}
        return replace(
            page,
            matches=tuple(each for each in page.matches if each.full_url in kept),
            included=tuple(each for each in page.included if each.full_url in kept),
            total=None,
        )

    def _permits(
        self,
        read: _Read,
        identities: Mapping[str, Identity],
        people: Mapping[str, Person],
    ) -> bool:
        mentioned = [identities.get(each, NOBODY) for each in read.record.mentions]
        known = [*mentioned, *read.named]
        persons = [_joined([people[number] for number in sorted(each.numbers)]) for each in known]
        match = read.match
        if not self.judge.permits(match.type, read.record, known, persons):
            return False
        self.judge.shown[match.full_url] = tuple(id_ for each in persons for id_ in each.patients)
        return True

    def _read(self, match: Match) -> _Read:
        try:
            resource = parse(match.resource)
            record = self.extractor.extract(resource)
            return _Read(match, resource, record, tuple(named_in(resource)))
        except (FhirError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise Failed("error", f"{match.type}/{match.id} cannot be read") from error

    async def _identities(self, read: Sequence[_Read], until: float) -> dict[str, Identity]:
        """Return who the Patients are that are mentioned: those that came along need not be asked for."""
        found = {
            each.match.id: identity_of(each.resource) for each in read if each.match.type == PATIENT
        }
        mentioned = {each for one in read for each in one.record.mentions}
        missing = mentioned - found.keys()
        if len(missing) > MOST_PEOPLE:
            raise Failed("unsupported", f"a page of its tells of over {MOST_PEOPLE} people")
        if missing:
            found |= await self.directory.identities(missing, until=until)
        return found


def _joined(people: Sequence[Person]) -> Person:
    """Return one person of several numbers: what was laid down about any of them holds."""
    patients = {each for person in people for each in person.patients}
    laid_down = dict.fromkeys(each for person in people for each in person.provisions)
    return Person(tuple(sorted(patients)), tuple(laid_down))
