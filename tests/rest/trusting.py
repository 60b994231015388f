"""A hub and its members, each asking for tokens: what the hub's callers are given there is the members' own decision."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time_ns
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx

from fhir_server.auth.server.clients import Client
from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.federation.members import Credentials, Member
from fhir_server.offline.authorizing import authorization
from fhir_server.offline.enrolling import add_member, remove_member
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.settings import Settings
from tests.rest.access import PROGRAMMES, Guarded, a_client, guarded
from tests.support.patience import DEADLINE, MEMBER_SECONDS
from tests.support.server import running_server

NETWORKS = ("127.0.0.0/8",)
PURPOSES = ("TREAT", "PATADMIN", "HOPERAT")
BY = {"organisation": "X99", "role": "R8000"}
"""The claims of a clinician of the organisation that the programmes are registered for."""


@dataclass
class Trust:
    """A member with an authorization server of its own."""

    base: str
    settings: Settings

    def registered(self, client: Client) -> None:
        """Register a client, in place of one of the same id."""

        async def add() -> None:
            async with authorization(self.settings) as server:
                await server.clients.remove(client.id)
                assert await server.clients.add(client, now=time_ns() // 1000)

        asyncio.run(add())

    def client(self, **claims: Any) -> httpx.Client:
        """Return a client with a token of this member: for its own people."""

        async def token() -> str:
            told = {"sub": "own", "scope": "system/*.cruds", "role": "integration"} | claims
            async with authorization(self.settings) as server:
                now = time_ns() // 1000
                return await server.issuing.development(
                    {"purpose": "TREAT", **told}, seconds=3600, now=now
                )

        return a_client(self.base + "/", authorization=f"Bearer {asyncio.run(token())}")


@dataclass
class Federation:
    """A hub whose callers come with tokens of an issuer, and its members by their ids."""

    hub: Guarded
    settings: Settings
    members: Mapping[str, Trust] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The hub's base of all members."""
        return self.hub.base.replace("/fhir", "/federated")

    def client(self, scope: str = "user/*.rs", **claims: Any) -> httpx.Client:
        """Return a client of a caller at the hub."""
        token = self.hub.token(scope, **(BY | claims))
        return a_client(self.base + "/", authorization=f"Bearer {token}", **DEADLINE)

    def register(self, **changes: Any) -> None:
        """Register the hub at each member."""
        for each in self.members.values():
            each.registered(hub_client(self.base, **changes))

    def enrol(self, name: str, **changes: Any) -> None:
        """Take a member in at the hub, in place of one of the same id."""
        own: dict[str, Any] = {
            "seconds": MEMBER_SECONDS,
            "credentials": Credentials("hub", "", ("system/*.rs",)),
        }
        member = Member(name, name.upper(), self.members[name].base, **(own | changes))
        asyncio.run(add_member(self.settings, member))

    def leave(self, name: str) -> None:
        """Take a member out."""
        asyncio.run(remove_member(self.settings, name))


def hub_client(base: str, **changes: Any) -> Client:
    """Return the hub as a member registers it."""
    told: dict[str, Any] = {
        "id": "hub",
        "name": "The hub",
        "method": "private_key_jwt",
        "scopes": ("system/*.rs",),
        "jwks_uri": f"{base}/jwks",
        "on_behalf": PURPOSES,
    }
    return Client(**(told | changes))


@contextmanager
def federation(folder: Path, *names: str) -> Iterator[Federation]:
    """Serve a hub and members of these names until the block ends."""
    programmes = folder / "programmes.json"
    programmes.write_text(json.dumps(PROGRAMMES))
    with ExitStack() as stack:
        hub = stack.enter_context(guarded(folder / "hub.db", member_networks=NETWORKS))
        settings = Settings(store=f"sqlite:{folder / 'hub.db'}", member_networks=NETWORKS)
        members: dict[str, Trust] = {}
        for each in names:
            store = folder / f"{each}.db"
            own: dict[str, Any] = {"auth": "smart", "programmes": programmes}
            base = stack.enter_context(running_server(store, **own))
            port = urlsplit(base).port or 0
            members[each] = Trust(base, Settings(store=f"sqlite:{store}", port=port, **own))
        found = Federation(hub, settings, members)
        found.register()
        for each in names:
            found.enrol(each)
        yield found


def a_patient(name: str, number: int | None = None, **more: Any) -> dict[str, Any]:
    """Return a Patient, with the test NHS number of a number."""
    told = {} if number is None else {"identifier": [identifier(number)]}
    return {"resourceType": "Patient", "id": name, **told, **more}


def identifier(number: int, status: str | None = None) -> dict[str, Any]:
    """Return an NHS number, with what is said of its verification."""
    found: dict[str, Any] = {"system": NHS_NUMBER, "value": nhs_number(number)}
    if status is not None:
        url = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
        concept = {"coding": [{"code": status}]}
        found["extension"] = [{"url": url, "valueCodeableConcept": concept}]
    return found


def an_observation(name: str, patient: str, **more: Any) -> dict[str, Any]:
    """Return an Observation of a patient."""
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


def a_denial(patient: str, *purposes: str) -> dict[str, Any]:
    """Return a Consent that denies these purposes, or all, to everyone."""
    reason = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
    scope = "http://terminology.hl7.org/CodeSystem/consentscope"
    told: dict[str, Any] = {"type": "deny"}
    if purposes:
        told["purpose"] = [{"system": reason, "code": each} for each in purposes]
    return {
        "resourceType": "Consent",
        "id": f"of-{patient}",
        "status": "active",
        "scope": {"coding": [{"system": scope, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "policy": [{"uri": "https://example.org/policy"}],
        "provision": told,
    }


def put(client: httpx.Client, *resources: Mapping[str, Any]) -> None:
    """Write resources under their ids."""
    for each in resources:
        answer = client.put(f"{each['resourceType']}/{each['id']}", json=each)
        assert answer.status_code in {200, 201}, answer.text


def shown(bundle: Mapping[str, Any], mode: str = "match") -> list[str]:
    """Return type and id of the entries of a page, in its order."""
    entries = [each for each in bundle["entry"] if each["search"]["mode"] == mode]
    return ["/".join(each["fullUrl"].split("/")[-2:]) for each in entries]


def statuses(bundle: Mapping[str, Any]) -> dict[str, str]:
    """Return what became of each member."""
    (outcome,) = [each for each in bundle["entry"] if each["search"]["mode"] == "outcome"]
    found = {}
    for each in outcome["resource"]["extension"]:
        told = {part["url"]: part for part in each["extension"]}
        found[told["member"]["valueString"]] = told["status"]["valueCode"]
    return found
