"""The patients that a person may choose among: those that its own rights, and the Consents in force, let it see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from msgspec import structs

from fhir_server.audit.event import Event, agent_of, shown
from fhir_server.auth.server.users import User
from fhir_server.fhir.errors import Gone, NotFound
from fhir_server.fhir.json import parse
from fhir_server.fhir.resource import LOGICAL_ID, Key, Resource, Stored
from fhir_server.interactions.call import Call
from fhir_server.interactions.read import read
from fhir_server.interactions.search import Found, search
from fhir_server.policy.access import Access
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import parse_scopes
from fhir_server.rest.disclosing import check_current, rule_of
from fhir_server.rest.request import Pairs
from fhir_server.rest.service import Service
from fhir_server.web.authorization.choices import (
    Choice,
    criteria,
    encounter_choice,
    patient_choice,
)

MOST_SHOWN = 20

_GOING_ON = "arrived,triaged,in-progress,onleave"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who looks patients up, from which address, when (us)."""

    user: User
    address: str
    now: int


@dataclass(frozen=True, slots=True)
class Patients:
    """Looks patients up through the FHIR store, as `issuer`'s users would with a token of their own.

    What is shown is recorded as an answer of the FHIR API is.
    """

    service: Service
    issuer: str
    base_url: str

    async def find(self, asker: Asker, sought: str) -> tuple[Sequence[Choice], bool]:
        """Return the patients that match what was typed, and whether there are more; raise Forbidden."""
        pairs = (*criteria(sought), ("active:not", "false"), ("_sort", "family,given,birthdate"))
        page = await self._search(asker, None, "Patient", pairs)
        return [patient_choice(_resource(each.stored)) for each in page.rows], page.next is not None

    async def own(self, asker: Asker) -> Sequence[Choice]:
        """Return those of the patients that a user is bound to which can be seen; raise Forbidden."""
        found = [await self.one(asker, each) for each in asker.user.patients or ()]
        return [each for each in found if each is not None]

    async def one(self, asker: Asker, patient: str) -> Choice | None:
        """Return one patient, None where the user may not choose it, see it, or there is none; raise Forbidden."""
        if LOGICAL_ID.match(patient) is None or not asker.user.may_choose(patient):
            return None
        call, event = await self._call(asker, patient)
        try:
            found = await read(call, Key("Patient", patient))
        except (NotFound, Gone):
            return None
        await self._record(event, "read", f"GET Patient/{patient}", [found])
        return patient_choice(_resource(found))

    async def encounters(self, asker: Asker, patient: str) -> Sequence[Choice]:
        """Return the encounters of a patient that are going on, the latest first; raise Forbidden."""
        pairs = (("patient", patient), ("status", _GOING_ON), ("_sort", "-date"))
        page = await self._search(asker, patient, "Encounter", pairs)
        return [encounter_choice(_resource(each.stored)) for each in page.rows]

    async def _search(
        self, asker: Asker, patient: str | None, resource_type: str, pairs: Pairs
    ) -> Found:
        call, event = await self._call(asker, patient)
        pairs = (*pairs, ("_count", str(MOST_SHOWN)))
        page = await search(call, resource_type, pairs, after=None, now=asker.now)
        asked = f"GET {resource_type}?{urlencode(pairs)}"
        await self._record(event, "search-type", asked, [each.stored for each in page.rows])
        return page

    async def _call(self, asker: Asker, patient: str | None) -> tuple[Call, Event]:
        """Return the call of a user, and what is known of its event.

        Of a user who is bound to patients it is for this patient alone.
        """
        user = asker.user
        context = "user" if user.patients is None else "patient"
        access = Access(
            self.issuer,
            user.subject,
            parse_scopes(f"{context}/Patient.rs {context}/Encounter.rs"),
            patient=patient,
            organisation=user.organisation,
            role=user.role,
            purpose=user.purposes[0] if user.purposes else None,
        )
        rights, audience = rights_of(access), None
        if self.service.disclosure is not None:
            standing = self.service.disclosure.standing(access, rights)
            await check_current(self.service, standing, now=asker.now)
            rights, audience = standing.rights, standing.audience
        # Not by `call_at` with the rights: what that keeps is for tokens, which come again.
        call = self.service.call_at(self.base_url)
        call = replace(call, rights=rights, audience=audience, now=asker.now)
        rule = rule_of(self.service, audience)
        agent = agent_of(access)
        return call, Event(asker.now, "", agent=agent, address=asker.address, rule=rule)

    async def _record(self, event: Event, kind: str, asked: str, found: Sequence[Stored]) -> None:
        if self.service.trail is not None:
            told = structs.replace(event, kind=kind, asked=asked, touched=shown(found))
            await self.service.trail.record(told)


def _resource(stored: Stored) -> Resource:
    assert stored.body is not None, "what is found, or read, is there"
    resource: Resource = parse(stored.body)
    return resource
