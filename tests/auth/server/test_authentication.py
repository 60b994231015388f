"""Which clients are taken for themselves: forgeries first."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.auth.server.authentication import FAILURES, Authentication, Shown
from fhir_server.auth.server.clients import Clients
from fhir_server.auth.server.errors import (
    InvalidClient,
    InvalidRequest,
    OAuthError,
    TooManyAttempts,
)
from fhir_server.auth.server.limiter import Limiter
from fhir_server.fhir.errors import Unavailable
from tests.auth.server.assertions import NOT_GOOD, UNPROVEN
from tests.auth.server.material import (
    APP,
    MOMENT,
    SECOND,
    SECRET,
    TOKEN_URL,
    WEB,
    a_server,
    an_assertion,
    asserting,
    assertion_claims,
    backend,
)
from tests.support.remembering import Memory
from tests.support.tokens import NOW, ec_key, published, rsa_key

ONE_ANSWER = {
    "The client is not registered here, or has not shown that it is itself.",
    "client_id, iss and sub must name one and the same client.",
    (
        "The assertion cannot be read: a JWT with typ JWT, alg RS384, ES384 or RS512, a kid, and the claims iss, "
        "sub, aud, exp and jti."
    ),
}


def basic(name: str, secret: str) -> str:
    return "Basic " + b64encode(f"{name}:{secret}".encode()).decode()


async def an_authentication(fetch: Any = None) -> Authentication:
    server = await a_server()
    known = server.endpoints.authentication
    return Authentication(known.clients, known.values, fetch or known.fetch, known.audience)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("name", UNPROVEN)
async def test_an_assertion_that_is_not_the_clients_is_refused(name: str) -> None:
    with pytest.raises(InvalidClient) as refusal:
        await (await an_authentication()).client(asserting(UNPROVEN[name]()), now=MOMENT)

    assert str(refusal.value) in ONE_ANSWER


@pytest.mark.parametrize("name", NOT_GOOD)
async def test_a_client_is_told_what_is_wrong_with_its_assertion(name: str) -> None:
    forge, told = NOT_GOOD[name]

    with pytest.raises(InvalidClient, match=told):
        await (await an_authentication()).client(asserting(forge()), now=MOMENT)


async def test_who_names_no_client_is_told_how_to() -> None:
    with pytest.raises(InvalidClient, match="not named: by client_id, by the header"):
        await (await an_authentication()).client(Shown({"grant_type": "x"}), now=MOMENT)


def test_the_forgeries_are_many() -> None:
    assert len(UNPROVEN) + len(NOT_GOOD) >= 60


async def test_an_assertion_is_good_once() -> None:
    authentication, shown = await an_authentication(), asserting(an_assertion())
    await authentication.client(shown, now=MOMENT)

    for moment in (MOMENT, MOMENT + 329 * SECOND):
        with pytest.raises(InvalidClient, match="used before"):
            await authentication.client(shown, now=moment)


async def test_two_clients_may_use_the_same_jti() -> None:
    authentication = await an_authentication()
    await authentication.clients.add(backend(id="other"), now=MOMENT)
    other = an_assertion(assertion_claims(iss="other", sub="other"))

    assert (await authentication.client(asserting(an_assertion()), now=MOMENT)).id == "loader"
    assert (await authentication.client(asserting(other), now=MOMENT)).id == "other"


async def test_a_forged_assertion_does_not_use_up_the_jti_of_a_good_one() -> None:
    authentication = await an_authentication()
    with pytest.raises(InvalidClient):
        await authentication.client(asserting(an_assertion(key=rsa_key("other"))), now=MOMENT)

    assert (await authentication.client(asserting(an_assertion()), now=MOMENT)).id == "loader"


GOOD: dict[str, Callable[[], str]] = {
    "RS384": an_assertion,
    "RS512, as the NHS signs": lambda: an_assertion(alg="RS512"),
    "ES384": lambda: an_assertion(key=ec_key(), alg="ES384", kid="elliptic"),
    "typ in small letters": lambda: an_assertion(typ="jwt"),
    "the type of RFC 7523bis": lambda: an_assertion(typ="client-authentication+jwt"),
    "aud as a list of one": lambda: an_assertion(assertion_claims(aud=[TOKEN_URL])),
    "expired by the leeway": lambda: an_assertion(assertion_claims(exp=NOW - 29)),
    "five minutes and the leeway": lambda: an_assertion(assertion_claims(exp=NOW + 330)),
    "issued just now by a fast clock": lambda: an_assertion(
        assertion_claims(iat=NOW + 29, nbf=NOW + 29)
    ),
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_assertion_is_taken(name: str) -> None:
    found = await (await an_authentication()).client(asserting(GOOD[name]()), now=MOMENT)

    assert found == backend()


WRONG: dict[str, tuple[Shown, type[OAuthError]]] = {
    "nobody is named": (Shown({}), InvalidClient),
    "an unknown public client": (Shown({"client_id": "nobody"}), InvalidClient),
    "a client with a secret, without it": (Shown({"client_id": "web"}), InvalidClient),
    "a client with keys, without them": (Shown({"client_id": "loader"}), InvalidClient),
    "a secret in the form": (Shown({"client_id": "web", "client_secret": SECRET}), InvalidRequest),
    "a wrong secret": (Shown({}, basic("web", "wrong")), InvalidClient),
    "an empty secret": (Shown({}, basic("web", "")), InvalidClient),
    "the hash of the secret": (Shown({}, basic("web", str(WEB.secret))), InvalidClient),
    "a secret of nobody": (Shown({}, basic("nobody", SECRET)), InvalidClient),
    "a secret for a public client": (Shown({}, basic("app", "")), InvalidClient),
    "a secret for a client with keys": (Shown({}, basic("loader", "secret")), InvalidClient),
    "no colon": (Shown({}, "Basic " + b64encode(b"web").decode()), InvalidClient),
    "no base64": (Shown({}, "Basic !!!"), InvalidClient),
    "no UTF-8": (Shown({}, "Basic " + b64encode(b"\xff:\xff").decode()), InvalidClient),
    "a bearer token": (Shown({}, "Bearer x"), InvalidClient),
    "another client in the form": (
        Shown({"client_id": "app"}, basic("web", SECRET)),
        InvalidClient,
    ),
    "a secret and an assertion": (
        Shown({"client_assertion": "x"}, basic("web", SECRET)),
        InvalidRequest,
    ),
    "another client in the form than in the assertion": (
        asserting(an_assertion(), client_id="app"),
        InvalidClient,
    ),
    "an assertion of another type": (
        asserting(an_assertion(), client_assertion_type="urn:saml2-bearer"),
        InvalidRequest,
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_who_does_not_show_who_it_is_is_refused(name: str) -> None:
    shown, error = WRONG[name]

    with pytest.raises(error):
        await (await an_authentication()).client(shown, now=MOMENT)


async def test_a_client_shows_itself_by_its_secret_or_is_public() -> None:
    authentication = await an_authentication()

    assert await authentication.client(Shown({}, basic("web", SECRET)), now=MOMENT) == WEB
    named = Shown({"client_id": "web"}, basic("web", SECRET.replace(" ", "%20")))
    assert await authentication.client(named, now=MOMENT) == WEB
    assert await authentication.client(Shown({"client_id": "app"}), now=MOMENT) == APP


@given(header=st.text(max_size=60), assertion=st.text(max_size=60))
async def test_whatever_is_sent_is_refused_and_not_failed_on(header: str, assertion: str) -> None:
    values = Memory()
    authentication = Authentication(Clients(values), values, _fails, TOKEN_URL)

    for shown in (Shown({}, header), asserting(assertion), Shown({"client_id": header})):
        with pytest.raises(OAuthError):
            await authentication.client(shown, now=MOMENT)


async def test_who_fails_too_often_waits_and_others_do_not() -> None:
    authentication = await an_authentication()
    wrong = Shown({}, basic("web", "wrong"), address="10.0.0.1")
    for _ in range(FAILURES):
        with pytest.raises(InvalidClient):
            await authentication.client(wrong, now=MOMENT)

    with pytest.raises(TooManyAttempts) as refusal:
        await authentication.client(Shown({}, basic("web", SECRET), "10.0.0.1"), now=MOMENT)

    assert refusal.value.seconds == 60
    elsewhere = Shown({}, basic("web", SECRET), "10.0.0.2")
    assert await authentication.client(elsewhere, now=MOMENT) == WEB
    later = MOMENT + 60 * SECOND
    again = Shown({}, basic("web", SECRET), "10.0.0.1")
    assert await authentication.client(again, now=later) == WEB


async def test_another_process_of_the_store_counts_on() -> None:
    one = await an_authentication()
    other = Authentication(one.clients, one.values, one.fetch, one.audience)
    for worker in (one, other) * (FAILURES // 2):
        with pytest.raises(InvalidClient):
            await worker.client(Shown({}, basic("web", "wrong"), "10.0.0.1"), now=MOMENT)

    for worker in (one, other):
        with pytest.raises(TooManyAttempts):
            await worker.client(Shown({}, basic("web", SECRET), "10.0.0.1"), now=MOMENT)


async def test_an_address_that_tries_many_names_waits() -> None:
    authentication = await an_authentication()
    authentication = Authentication(
        authentication.clients,
        authentication.values,
        authentication.fetch,
        TOKEN_URL,
        by_address=Limiter("address", 3, 60 * SECOND),
    )
    for number in range(3):
        with pytest.raises(InvalidClient):
            await authentication.client(Shown({"client_id": str(number)}, None, "a"), now=MOMENT)

    with pytest.raises(TooManyAttempts):
        await authentication.client(Shown({"client_id": "app"}, None, "a"), now=MOMENT)


async def _fails(_: str) -> bytes | None:
    raise Unavailable("The issuer of tokens does not answer.")


async def test_keys_at_an_address_are_read_and_followed() -> None:
    asked: list[str] = []
    shown = [json.dumps({"keys": [published(rsa_key("first"))]}).encode()]

    async def fetch(url: str) -> bytes | None:
        asked.append(url)
        return shown[0]

    authentication = await an_authentication(fetch)
    url = "https://loader.example/jwks"
    await authentication.clients.add(backend(id="remote", jwks=None, jwks_uri=url), now=MOMENT)

    def signing(jti: str, name: str, kid: str) -> Shown:
        said = assertion_claims(iss="remote", sub="remote", jti=jti)
        return asserting(an_assertion(said, key=rsa_key(name), kid=kid))

    for jti in ("1", "2"):
        await authentication.client(signing(jti, "first", "signing-1"), now=MOMENT)
    assert asked == [url]
    shown[0] = json.dumps({"keys": [published(rsa_key("second"), "signing-2")]}).encode()
    later = MOMENT + 61 * SECOND
    await authentication.client(signing("3", "second", "signing-2"), now=later)
    with pytest.raises(InvalidClient):
        await authentication.client(signing("4", "first", "signing-1"), now=later)


async def test_without_its_keys_a_client_is_told_that_they_cannot_be_read() -> None:
    authentication = await an_authentication(_fails)
    remote = backend(id="remote", jwks=None, jwks_uri="https://loader.example/jwks")
    await authentication.clients.add(remote, now=MOMENT)
    said = assertion_claims(iss="remote", sub="remote")

    with pytest.raises(Unavailable, match=r"loader\.example"):
        await authentication.client(asserting(an_assertion(said)), now=MOMENT)
