"""An authorization server with clients and people, in memory; moments are in microseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fhir_server.auth.server.authentication import ASSERTION_TYPE, Shown
from fhir_server.auth.server.clients import Client, hashed
from fhir_server.auth.server.contract import PendingAuthorization
from fhir_server.auth.server.grants import challenge_of
from fhir_server.auth.server.server import AuthorizationServer, authorization_server
from fhir_server.auth.server.site import Site
from fhir_server.auth.server.users import User
from fhir_server.policy.access import Access
from fhir_server.storage.keyvalues import KeyValues
from tests.support.remembering import Memory
from tests.support.tokens import NOW, a_token, ec_key, published, rsa_key

MOMENT = NOW * 1_000_000
SECOND = 1_000_000
SITE = Site("https://node.example", "https://node.example/fhir", "https://node.example/fhir")
TOKEN_URL = "https://node.example/auth/token"  # noqa: S105 - an address
SECRET = "a secret that was made at random"  # noqa: S105 - nobody's
VERIFIER = "v" * 43
CALLBACK = "https://app.example/callback"

APP_SCOPES = (
    *("openid", "fhirUser", "launch", "launch/patient", "launch/encounter"),
    *("offline_access", "online_access", "patient/*.rs", "user/Patient.rs"),
)
APP = Client("app", "An app", "none", APP_SCOPES, (CALLBACK,), "https://app.example/launch")
WEB = Client(
    "web",
    "A web app",
    "client_secret_basic",
    APP_SCOPES,
    ("https://web.example/cb?tenant=1",),
    secret=hashed(SECRET),
)
ADA = User("user-ada", "Dr Ada", "Practitioner/ada", "R8000", "RXX", ("TREAT", "HRESCH"))
MARY = User("user-mary", "Mary", "Patient/mary", patients=("mary",))


def backend(**changes: Any) -> Client:
    keys = [
        published(rsa_key()),
        published(ec_key(), "elliptic"),
        published(rsa_key("second"), "twice"),
        published(rsa_key(), "twice"),
        published(rsa_key("weak", 1024), "weak"),
        published(rsa_key(), "for encryption", use="enc"),
        published(rsa_key(), "RS384 alone", alg="RS384"),
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
    ]
    given: dict[str, Any] = {
        "id": "loader",
        "name": "Loader",
        "method": "private_key_jwt",
        "scopes": ("system/*.cruds",),
        "jwks": {"keys": keys},
        "organisation": "RXX",
        "role": "backend",
        "purpose": "TREAT",
    }
    return Client(**(given | changes))


HUB = backend(
    id="hub",
    scopes=("system/*.rs",),
    organisation=None,
    role=None,
    purpose=None,
    on_behalf=("TREAT", "PATADMIN", "HMARKT", "PATRQT"),
)
"""One that asks in the names of its callers; two of the purposes are none that the tables would let it have."""


async def a_server(
    values: KeyValues | None = None, admit: Callable[[Access], object] = lambda _: None
) -> AuthorizationServer:
    """Return a server that knows the clients of this module."""
    kept = Memory() if values is None else values
    server = authorization_server(SITE, kept, secret=b"s" * 32, fetch=nothing_there, admit=admit)
    for client in (APP, WEB, backend(), HUB):
        await server.clients.add(client, now=MOMENT)
    return server


async def nothing_there(_: str) -> None:
    """Stand for a network with nothing in it."""


def assertion_claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good assertion; one that is None is left out."""
    said = {"iss": "loader", "sub": "loader", "aud": TOKEN_URL, "exp": NOW + 300, "jti": "1"}
    return {name: value for name, value in (said | changes).items() if value is not None}


def an_assertion(said: dict[str, Any] | None = None, *, key: Any = None, **header: Any) -> str:
    """Return a signed assertion."""
    claims = assertion_claims() if said is None else said
    return a_token(claims, key=key, **({"typ": "JWT"} | header))


def asserting(assertion: str, **form: str) -> Shown:
    """Return a request of a backend service with this assertion."""
    said = {
        "grant_type": "client_credentials",
        "scope": "system/*.rs",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }
    return Shown(said | form)


def asked(**changes: str | None) -> list[tuple[str, str]]:
    """Return the parameters of a good authorization request; one that is None is left out."""
    said: dict[str, str | None] = {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": CALLBACK,
        "scope": "launch/patient patient/*.rs openid fhirUser offline_access",
        "state": "a state",
        "aud": "https://node.example/fhir",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "nonce": "a nonce",
    }
    return [(name, value) for name, value in (said | changes).items() if value is not None]


def sent_back(url: str) -> dict[str, str]:
    """Return what an app is told by the address that the browser is sent to."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def permitted(
    server: AuthorizationServer,
    user: User = ADA,
    *,
    now: int = MOMENT,
    patient: str | None = "mary",
    changes: Mapping[str, str | None] | None = None,
) -> str:
    """Return a code: the user permits all that is asked."""
    pending: PendingAuthorization = await server.requests.begin(asked(**(changes or {})), now=now)
    scopes = server.requests.offered(pending, user)
    url = await server.requests.permit(
        pending.handle, user, scopes, now=now, patient=patient, authenticated=now
    )
    return sent_back(url)["code"]


def redeeming(code: str, **changes: str) -> Shown:
    """Return the request of the public app that brings a code."""
    said = {
        "grant_type": "authorization_code",
        "client_id": "app",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return Shown(said | changes)


def renewing(token: str, **changes: str) -> Shown:
    """Return the request of the public app that brings a refresh token."""
    said = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": token}
    return Shown(said | changes)
