"""The code flow with an identity provider elsewhere: what is believed, and what is not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest

from fhir_server.auth.fetching import Fetcher
from fhir_server.auth.identity.claims import Holder, Meaning
from fhir_server.auth.identity.exchange import Exchange
from fhir_server.auth.identity.provider import KEPT, Errand, IdentityProvider, SignInFailed
from fhir_server.auth.identity.registrations import Registration
from fhir_server.auth.remote import RemoteIssuer
from fhir_server.auth.server.grants import challenge_of
from fhir_server.fhir.errors import Unavailable
from fhir_server.storage.keyvalues import KeyValues
from tests.storage.conftest import open_sqlite
from tests.support.patience import PATIENCE
from tests.support.tokens import NOW, a_token, ec_key, published, rsa_key, signed, unsigned

ISSUER = "https://login.example.org"
MOMENT = NOW * 1_000_000
BROWSER = "this browser"
US = Registration(
    title="Login",
    issuer=ISSUER,
    client_id="us",
    client_secret="ours",  # noqa: S106 - of nobody
    claims=Meaning(roles={"R8000": Holder("R8000", ("TREAT",))}, role="{role}"),
)


@dataclass
class Elsewhere:
    """A provider: what it gives for a code can be changed."""

    token: str = ""
    status: int = 200
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    asked: list[httpx2.Request] = field(default_factory=list)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        """Answer what it is asked."""
        self.asked.append(request)
        told: dict[str, Any] = {
            "/.well-known/openid-configuration": {
                "issuer": ISSUER,
                "jwks_uri": f"{ISSUER}/keys",
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "userinfo_endpoint": f"{ISSUER}/userinfo",
                **self.metadata,
            },
            "/keys": {"keys": [published(rsa_key())]},
            "/token": {"access_token": "opaque", "id_token": self.token},
            "/userinfo": self.userinfo,
        }
        status = self.status if request.url.path in {"/token", "/userinfo"} else 200
        return httpx2.Response(status, content=_streamed(told[request.url.path]))


async def _streamed(told: Any) -> AsyncIterator[bytes]:
    yield json.dumps(told).encode()


@pytest.fixture
def elsewhere() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
async def values(tmp_path: Path) -> AsyncIterator[KeyValues]:
    async with open_sqlite(tmp_path) as store:
        yield store.key_values


@pytest.fixture
async def make(
    elsewhere: Elsewhere, values: KeyValues
) -> AsyncIterator[Callable[..., IdentityProvider]]:
    numbers = count()
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(elsewhere.answer)) as client:

        def made(registration: Registration = US, key: str = "login") -> IdentityProvider:
            return IdentityProvider(
                key,
                registration,
                RemoteIssuer(registration.issuer, Fetcher(client, seconds=PATIENCE)),
                Exchange(client),
                values,
                "https://node.example.org/auth/callback/login",
                lambda: f"secret-{next(numbers):048}",
            )

        yield made


async def begun(provider: IdentityProvider, *, now: int = MOMENT) -> dict[str, str]:
    """Return what the browser is sent to the provider with."""
    url = await provider.begin(Errand("a-request"), browser=BROWSER, now=now)
    assert url.startswith(f"{ISSUER}/authorize?")
    return dict(parse_qsl(urlsplit(url).query))


def an_id_token(asked: dict[str, str], header: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return the ID token for this sign-in; a claim that is None is left out."""
    said = {
        "iss": ISSUER,
        "sub": "1",
        "aud": "us",
        "exp": NOW + 300,
        "iat": NOW,
        "nonce": asked["nonce"],
        "name": "Ada",
        "role": "R8000",
    }
    said = {name: value for name, value in (said | changes).items() if value is not None}
    return a_token(said, **{"typ": "JWT", **(header or {})})


FORGED: dict[str, Callable[[dict[str, str]], str]] = {
    "another issuer": lambda asked: an_id_token(asked, iss="https://evil.example"),
    "for another app": lambda asked: an_id_token(asked, aud="them"),
    "for several, given to none": lambda asked: an_id_token(asked, aud=["us", "them"]),
    "for several, given to another": lambda asked: an_id_token(
        asked, aud=["us", "them"], azp="them"
    ),
    "given to another": lambda asked: an_id_token(asked, azp="them"),
    "for nobody": lambda asked: an_id_token(asked, aud=[]),
    "over": lambda asked: an_id_token(asked, exp=NOW - 31),
    "still to come": lambda asked: an_id_token(asked, iat=NOW + 31),
    "of another sign-in": lambda asked: an_id_token(asked, nonce="another"),
    "of no sign-in": lambda asked: an_id_token(asked, nonce=None),
    "without a subject": lambda asked: an_id_token(asked, sub=None),
    "with a number as subject": lambda asked: an_id_token(asked, sub=1),
    "without an end": lambda asked: an_id_token(asked, exp=None),
    "signed by another": lambda asked: an_id_token(asked, {"key": rsa_key("second")}),
    "signed by a key of another kind": lambda asked: an_id_token(
        asked, {"key": ec_key(), "alg": "ES384"}
    ),
    "of an unknown key": lambda asked: an_id_token(asked, {"kid": "another"}),
    "without a key": lambda asked: an_id_token(asked, {"kid": None}),
    "an access token": lambda asked: an_id_token(asked, {"typ": "at+jwt"}),
    "without a signature": lambda asked: unsigned(
        {"alg": "none", "typ": "JWT", "kid": "signing-1"}, {"iss": ISSUER, "nonce": asked["nonce"]}
    ),
    "with a key of its own": lambda _: signed(
        {"alg": "RS384", "typ": "JWT", "kid": "signing-1", "jwk": {}}, {}
    ),
    "no token": lambda _: "nothing",
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("forgery", FORGED)
async def test_nobody_is_signed_in_by_what_cannot_be_relied_on(
    forgery: str, make: Callable[..., IdentityProvider], elsewhere: Elsewhere
) -> None:
    provider = make()
    asked = await begun(provider)
    elsewhere.token = FORGED[forgery](asked)

    with pytest.raises(SignInFailed, match="cannot be") as refused:
        await provider.finish({"state": asked["state"], "code": "c"}, browser=BROWSER, now=MOMENT)

    assert refused.value.errand == Errand("a-request")


@pytest.mark.parametrize(
    ("answer", "browser", "later"),
    [
        ({"state": "made-up"}, BROWSER, 0),
        ({}, BROWSER, 0),
        (None, "another browser", 0),
        (None, BROWSER, KEPT),
    ],
)
async def test_what_was_not_begun_here_now_and_in_this_browser_is_not_finished(
    answer: dict[str, str] | None,
    browser: str,
    later: int,
    make: Callable[..., IdentityProvider],
    elsewhere: Elsewhere,
) -> None:
    provider = make()
    asked = await begun(provider)
    elsewhere.token = an_id_token(asked)
    answer = {"state": asked["state"]} if answer is None else answer

    with pytest.raises(SignInFailed, match="is over, or was begun in another browser"):
        await provider.finish({"code": "c", **answer}, browser=browser, now=MOMENT + later)


async def test_a_state_is_good_once(
    make: Callable[..., IdentityProvider], elsewhere: Elsewhere
) -> None:
    provider = make()
    asked = await begun(provider)
    elsewhere.token = an_id_token(asked)
    answer = {"state": asked["state"], "code": "c"}
    await provider.finish(answer, browser=BROWSER, now=MOMENT)

    with pytest.raises(SignInFailed, match="is over"):
        await provider.finish(answer, browser=BROWSER, now=MOMENT)


async def test_an_answer_is_for_the_provider_that_was_asked(
    make: Callable[..., IdentityProvider],
) -> None:
    asked = await begun(make())

    with pytest.raises(SignInFailed, match="is over"):
        await make(key="other").finish(
            {"state": asked["state"], "code": "c"}, browser=BROWSER, now=MOMENT
        )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"code": "c", "iss": "https://evil.example"}, "from another identity provider"),
        ({"error": "access_denied", "error_description": "<script>"}, "signed nobody in"),
        ({}, "signed nobody in"),
    ],
)
async def test_an_answer_without_a_code_of_this_provider_signs_nobody_in(
    answer: dict[str, str], told: str, make: Callable[..., IdentityProvider]
) -> None:
    provider = make()
    asked = await begun(provider)

    with pytest.raises(SignInFailed, match=told):
        await provider.finish({"state": asked["state"], **answer}, browser=BROWSER, now=MOMENT)


@pytest.mark.parametrize(("status", "error"), [(400, SignInFailed), (500, Unavailable)])
async def test_a_provider_that_refuses_or_fails_signs_nobody_in(
    status: int,
    error: type[Exception],
    make: Callable[..., IdentityProvider],
    elsewhere: Elsewhere,
) -> None:
    provider = make()
    asked = await begun(provider)
    elsewhere.status = status

    with pytest.raises(error):
        await provider.finish({"state": asked["state"], "code": "c"}, browser=BROWSER, now=MOMENT)


@pytest.mark.parametrize("url", ["http://login.example.org/authorize", "javascript:alert(1)", 7])
async def test_nobody_is_sent_where_others_could_read_along(
    url: Any, make: Callable[..., IdentityProvider], elsewhere: Elsewhere
) -> None:
    elsewhere.metadata = {"authorization_endpoint": url}

    with pytest.raises(Unavailable):
        await begun(make())


@pytest.mark.parametrize("acr", ["AAL1", None])
async def test_a_weak_sign_in_is_not_enough_where_a_strong_one_was_agreed(
    acr: str | None, make: Callable[..., IdentityProvider], elsewhere: Elsewhere
) -> None:
    provider = make(Registration("Login", ISSUER, "us", US.claims, acr=("AAL3",)))
    asked = await begun(provider)
    elsewhere.token = an_id_token(asked, acr=acr)

    with pytest.raises(SignInFailed, match="cannot be relied on"):
        await provider.finish({"state": asked["state"], "code": "c"}, browser=BROWSER, now=MOMENT)

    assert asked["acr_values"] == "AAL3"


async def test_claims_of_somebody_else_are_not_added(
    make: Callable[..., IdentityProvider], elsewhere: Elsewhere
) -> None:
    provider = make(Registration("Login", ISSUER, "us", US.claims, userinfo=True))
    asked = await begun(provider)
    elsewhere.token = an_id_token(asked)
    elsewhere.userinfo = {"sub": "2", "role": "R8000"}

    with pytest.raises(SignInFailed, match="somebody else"):
        await provider.finish({"state": asked["state"], "code": "c"}, browser=BROWSER, now=MOMENT)


async def test_userinfo_adds_claims_and_replaces_none(
    make: Callable[..., IdentityProvider], elsewhere: Elsewhere
) -> None:
    provider = make(Registration("Login", ISSUER, "us", US.claims, userinfo=True))
    asked = await begun(provider)
    elsewhere.token = an_id_token(asked, role=None)
    elsewhere.userinfo = {"sub": "1", "role": "R8000", "name": "Another"}

    user, _ = await provider.finish(
        {"state": asked["state"], "code": "c"}, browser=BROWSER, now=MOMENT
    )

    assert (user.role, user.name) == ("R8000", "Ada")
    assert elsewhere.asked[-1].headers["authorization"] == "Bearer opaque"


async def test_who_signed_in_elsewhere_is_somebody_here(
    make: Callable[..., IdentityProvider], elsewhere: Elsewhere
) -> None:
    provider = make()
    asked = await begun(provider)
    elsewhere.token = an_id_token(asked, aud=["us", "them"], azp="us")

    user, errand = await provider.finish(
        {"state": asked["state"], "code": "c", "iss": ISSUER}, browser=BROWSER, now=MOMENT
    )

    (sent,) = [each for each in elsewhere.asked if each.url.path == "/token"]
    form = {name: value for name, (value,) in parse_qs(sent.content.decode()).items()}
    assert (user.subject, user.name, errand) == ("login:1", "Ada", Errand("a-request"))
    assert challenge_of(form["code_verifier"]) == asked["code_challenge"]
    assert (asked["code_challenge_method"], form["redirect_uri"]) == ("S256", asked["redirect_uri"])
    assert sent.headers["authorization"] == "Basic dXM6b3Vycw=="
