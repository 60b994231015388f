"""A node with people, apps and a few patients: what sign-in and launch are tested with."""

from __future__ import annotations

import asyncio
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2 as httpx

from fhir_server.auth.server.accounts import Accounts
from fhir_server.auth.server.clients import Client, Clients
from fhir_server.auth.server.users import User
from fhir_server.rules import enforcement
from fhir_server.storage.sqlite.store import open_store
from fhir_server.wiring import clock
from tests.support.server import running_server

PASSWORD = "correct horse battery"  # noqa: S105 - of nobody
CALLBACK = "https://app.example/callback"
SCOPES = (
    "openid fhirUser profile launch launch/patient launch/encounter offline_access online_access "
    "patient/*.cruds user/*.rs"
)

CLINICIAN = User("ada", "Dr Ada Jones", "Practitioner/ada", "R8000", "RXX", ("TREAT", "HRESCH"))
PATIENT = User("mary", "Mary Smith", "Patient/mary", patients=("mary",))
PARENT = User("peter", "Peter Smith", "RelatedPerson/peter", patients=("mary", "paul"))
STRANGER = User("nobody", "Nobody Known", patients=("nowhere",))
ACCOUNTS = {each.subject: each for each in (CLINICIAN, PATIENT, PARENT, STRANGER)}

APP = Client("chart", "Growth Chart", "none", tuple(SCOPES.split()), (CALLBACK,))


def a_patient(name: str, given: str, number: str, born: str, **more: Any) -> dict[str, Any]:
    """Return a patient of the family Smith."""
    return {
        "resourceType": "Patient",
        "id": name,
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number}],
        "name": [{"family": "Smith", "given": [given]}],
        "birthDate": born,
        **more,
    }


RECORDS = (
    a_patient("mary", "Mary", "9990000018", "1980-02-01", gender="female"),
    a_patient("paul", "Paul", "9990000026", "2015-07-09"),
    a_patient("merged", "Mary", "9990000034", "1980-02-01", active=False),
    a_patient("denied", "Dora", "9990000042", "1990-01-01"),
    {
        "resourceType": "Consent",
        "id": "denied",
        "status": "active",
        "scope": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/consentscope",
                    "code": "patient-privacy",
                }
            ]
        },
        "category": [{"text": "privacy"}],
        "patient": {"reference": "Patient/denied"},
        "policyRule": {"text": "local"},
        "provision": {"type": "deny"},
    },
    {
        "resourceType": "Encounter",
        "id": "stay",
        "status": "in-progress",
        "class": {"code": "IMP", "display": "inpatient encounter"},
        "subject": {"reference": "Patient/mary"},
        "period": {"start": "2026-11-20T10:00:00Z"},
    },
    {
        "resourceType": "Observation",
        "id": "weight",
        "status": "final",
        "code": {"text": "weight"},
        "subject": {"reference": "Patient/mary"},
    },
)


def fill(store: Path) -> None:
    """Write the records, and the accounts."""
    with running_server(store, auth="none") as base, httpx.Client() as client:
        for each in RECORDS:
            url = f"{base}/{each['resourceType']}/{each['id']}"
            client.put(url, json=each).raise_for_status()
    enrol(store, *ACCOUNTS.values())


def enrol(store: Path, *users: User) -> None:
    """Give people accounts."""
    asyncio.run(_register(store, users, ()))


def register(store: Path, *clients: Client) -> None:
    """Register apps."""
    asyncio.run(_register(store, (), clients))


async def _register(store: Path, users: Iterable[User], clients: Iterable[Client]) -> None:
    now = clock()
    async with open_store(store, clock=clock, enforcement=enforcement()) as opened:
        for user in users:
            await Accounts(opened.key_values).add(user.subject, PASSWORD, user, now=now)
        for client in clients:
            await Clients(opened.key_values).add(client, now=now)


@contextmanager
def smart_node(store: Path, *clients: Client, **settings: Any) -> Iterator[str]:
    """Serve a new store with people, records and apps; yield its origin."""
    fill(store)
    register(store, *clients)
    with running_server(store, auth="smart", **settings) as base:
        yield base.removesuffix("/fhir")


@dataclass
class App:
    """An app as it sees an authorization: it asks, and takes what comes back."""

    origin: str
    client: Client = APP
    state: str = field(default_factory=lambda: secrets.token_urlsafe(8))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(40))

    def request(self, scope: str, /, **more: str) -> str:
        """Return the address that it sends a browser to."""
        challenge = urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": self.client.redirect_uris[0],
            "scope": scope,
            "state": self.state,
            "aud": f"{self.origin}/fhir",
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        return f"{self.origin}/auth/authorize?{urlencode(asked | more)}"

    def answered(self, url: str) -> dict[str, str]:
        """Return what came back, which is for this app and its request."""
        assert url.startswith(self.client.redirect_uris[0])
        said = dict(parse_qsl(urlsplit(url).query))
        assert (said["state"], said["iss"]) == (self.state, self.origin)
        return said

    def tokens(self, url: str, secret: str | None = None) -> dict[str, Any]:
        """Return what it gets for the code that came back."""
        form = {
            "grant_type": "authorization_code",
            "code": self.answered(url)["code"],
            "redirect_uri": self.client.redirect_uris[0],
            "code_verifier": self.verifier,
            "client_id": self.client.id,
        }
        credentials = None if secret is None else (self.client.id, secret)
        answer = httpx.post(f"{self.origin}/auth/token", data=form, auth=credentials)
        assert answer.status_code == 200, answer.text
        given: dict[str, Any] = answer.json()
        return given

    def renewed(self, refresh_token: str) -> httpx.Response:
        """Return the answer to a refresh token, sent as a public app may send it: alone."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return httpx.post(f"{self.origin}/auth/token", data=form)

    def read(self, path: str, token: str) -> httpx.Response:
        """Ask the FHIR API with a token."""
        return httpx.get(f"{self.origin}/fhir/{path}", headers={"authorization": f"Bearer {token}"})
