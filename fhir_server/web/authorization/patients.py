"""The patients that a person may choose among: those that its own rights, and the Consents in force, let it see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fhir_server.auth.caller import Caller
from fhir_server.auth.server.users import User
from fhir_server.fhir.errors import Gone, NotFound
from fhir_server.fhir.json import parse
from fhir_server.fhir.resource import LOGICAL_ID, Key, Resource, Stored
from fhir_server.interactions.call import Call
from fhir_server.interactions.read import read
from fhir_server.interactions.search import search
from fhir_server.policy.access import Access
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import parse_scopes
from fhir_server.rest.disclosing import audience_of
from fhir_server.rest.service import Service
from fhir_server.web.authorization.choices import (
    Choice,
    criteria,
    encounter_choice,
    patient_choice,
)

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Patients:
    """Looks patients up through the FHIR store, as `issuer`'s users would with a token of their own."""

    service: Service
    issuer: str
    base_url: str

    async def find(self, user: User, sought: str, *, now: int) -> tuple[Sequence[Choice], bool]:
        """Return the patients that match what was typed, and whether there are more; raise Forbidden."""
        call = await self._call(user, None, now)
        pairs = (
            *criteria(sought),
            ("active:not", "false"),
            ("_sort", "family,given,birthdate"),
            ("_count", str(MOST_SHOWN)),
        )
        page = await search(call, "Patient", pairs, after=None, now=now)
        return [patient_choice(_resource(each.stored)) for each in page.rows], page.next is not None

    async def own(self, user: User, *, now: int) -> Sequence[Choice]:
        """Return those of the patients that a user is bound to which can be seen; raise Forbidden."""
        found = [await self.one(user, each, now=now) for each in user.patients or ()]
        return [each for each in found if each is not None]

    async def one(self, user: User, patient: str, *, now: int) -> Choice | None:
        """Return one patient, None where the user may not choose it, see it, or there is none; raise Forbidden."""
        if LOGICAL_ID.match(patient) is None or not user.may_choose(patient):
            return None
        call = await self._call(user, patient, now)
        try:
            return patient_choice(_resource(await read(call, Key("Patient", patient))))
        except (NotFound, Gone):
            return None

    async def encounters(self, user: User, patient: str, *, now: int) -> Sequence[Choice]:
        """Return the encounters of a patient that are going on, the latest first; raise Forbidden."""
        call = await self._call(user, patient, now)
        pairs = (
            ("patient", patient),
            ("status", "arrived,triaged,in-progress,onleave"),
            ("_sort", "-date"),
            ("_count", str(MOST_SHOWN)),
        )
        page = await search(call, "Encounter", pairs, after=None, now=now)
        return [encounter_choice(_resource(each.stored)) for each in page.rows]

    async def _call(self, user: User, patient: str | None, now: int) -> Call:
        """Return the call of a user: of one who is bound to patients, for this patient alone."""
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
        caller = Caller(access, rights_of(access))
        audience = await audience_of(self.service, caller, now=now)
        # Not by `call_at` with the rights: what that keeps is for tokens, which come again.
        call = self.service.call_at(self.base_url)
        return replace(call, rights=caller.rights, audience=audience, now=now)


def _resource(stored: Stored) -> Resource:
    assert stored.body is not None, "what is found, or read, is there"
    resource: Resource = parse(stored.body)
    return resource
