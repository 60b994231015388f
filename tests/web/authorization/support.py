"""Steps that several of these tests take."""

from __future__ import annotations

from fhir_server.auth.server.clients import Client, hashed
from tests.support.smart import CALLBACK, PASSWORD, SCOPES, App
from tests.support.visitor import Page, Visitor

LAUNCHED = Client(
    "ward",
    "Ward Round",
    "none",
    tuple(SCOPES.split()),
    (CALLBACK,),
    launch_url="https://app.example/launch",
)


SECRET = "made up for a test"  # noqa: S105 - of nobody
CONFIDENTIAL = Client(
    "lab",
    "Laboratory",
    "client_secret_basic",
    ("offline_access", "user/*.rs"),
    (CALLBACK,),
    secret=hashed(SECRET),
)

_SESSIONS: dict[tuple[str, str], dict[str, str]] = {}
"""Cookies by origin and name: a password is meant to take its time, and most tests are not about it."""


def signed_in(visitor: Visitor, name: str) -> None:
    """Have the browser of somebody who has signed in."""
    key = visitor.origin, name
    if key not in _SESSIONS:
        visitor.client.cookies.clear()
        visitor.sign_in(visitor.get("/auth/sign-in"), name, PASSWORD)
        _SESSIONS[key] = visitor.cookies
    visitor.take(_SESSIONS[key])


def asked(visitor: Visitor, app: App, scope: str, *, name: str = "ada", **more: str) -> Page:
    """Send a person who is signed in to decide on an app."""
    signed_in(visitor, name)
    return visitor.get(app.request(scope, **more))


def chosen(visitor: Visitor, page: Page, patient: str = "mary") -> Page:
    """Search for the family, and choose a patient of it."""
    found = visitor.send(page.form("/auth/patient"), sought="Smith")
    return visitor.send(found.form("/auth/patient", with_field="patient"), patient=patient)


def allowed(visitor: Visitor, page: Page, **changes: str | list[str] | None) -> Page:
    """Press Allow."""
    return visitor.send(page.form("/auth/consent", with_field="scope"), decision="allow", **changes)
