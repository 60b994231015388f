"""Tokens, and what becomes of them: each answer read by PyJWT, which had no part in making it."""

from __future__ import annotations

import asyncio
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

import jwt
import msgspec
import pytest

from fhir_server.auth.server.authentication import Shown
from fhir_server.auth.server.contract import LaunchContext
from fhir_server.auth.server.errors import (
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    OAuthError,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from fhir_server.auth.server.server import AuthorizationServer
from tests.auth.server.material import (
    ADA,
    APP,
    MARY,
    MOMENT,
    SECOND,
    SECRET,
    SITE,
    VERIFIER,
    a_server,
    an_assertion,
    asked,
    asserting,
    assertion_claims,
    backend,
    permitted,
    redeeming,
    renewing,
    sent_back,
)
from tests.support.tokens import NOW

BASIC = "Basic " + b64encode(f"web:{SECRET}".encode()).decode()


async def read(server: AuthorizationServer, token: str, audience: str = SITE.audience) -> Any:
    """Return what a token claims, verified by PyJWT with the published keys."""
    keys = jwt.PyJWKSet.from_dict(dict(await server.keys.jwks(now=MOMENT)))
    header = jwt.get_unverified_header(token)
    options: Any = {"verify_exp": False, "verify_iat": False}
    return jwt.decode(
        token,
        keys[header["kid"]],
        algorithms=[header["alg"]],
        audience=audience,
        issuer=SITE.issuer,
        options=options,
    )


async def signed_in(
    server: AuthorizationServer, *, patient: str = "mary", **changes: str | None
) -> Any:
    code = await permitted(server, patient=patient, changes=changes)
    return await server.endpoints.token(redeeming(code), now=MOMENT)


REFUSED: dict[str, tuple[Shown, type[OAuthError]]] = {
    "no grant type": (Shown({"client_id": "app"}), InvalidRequest),
    "an unknown grant type": (
        Shown({"client_id": "app", "grant_type": "password"}),
        UnsupportedGrantType,
    ),
    "no code": (Shown({"client_id": "app", "grant_type": "authorization_code"}), InvalidRequest),
    "an unknown code": (redeeming("x"), InvalidGrant),
    "no refresh token": (
        Shown({"client_id": "app", "grant_type": "refresh_token"}),
        InvalidRequest,
    ),
    "an unknown refresh token": (renewing("x.y"), InvalidGrant),
    "an empty part": (renewing("."), InvalidGrant),
    "an app as a backend": (
        Shown({"client_id": "app", "grant_type": "client_credentials", "scope": "system/*.rs"}),
        UnauthorizedClient,
    ),
    "no scope": (asserting(an_assertion(), scope=""), InvalidRequest),
    "a scope of people": (asserting(an_assertion(), scope="user/*.rs"), InvalidScope),
    "no scope at all": (asserting(an_assertion(), scope="nothing"), InvalidScope),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_that_cannot_be_given_is_refused_by_its_code(name: str) -> None:
    shown, error = REFUSED[name]

    with pytest.raises(error):
        await (await a_server()).endpoints.token(shown, now=MOMENT)


async def test_a_backend_service_gets_a_token_for_itself_of_five_minutes() -> None:
    server = await a_server()

    answer = await server.endpoints.token(asserting(an_assertion()), now=MOMENT)

    assert {name: answer[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "system/*.rs",
    }
    assert "refresh_token" not in answer
    said = await read(server, answer["access_token"])
    assert said.pop("jti")
    assert said == {
        "iss": SITE.issuer,
        "aud": SITE.audience,
        "sub": "loader",
        "client_id": "loader",
        "iat": NOW,
        "exp": NOW + 300,
        "scope": "system/*.rs",
        "organisation": "RXX",
        "role": "backend",
        "purpose": "TREAT",
    }
    header = jwt.get_unverified_header(answer["access_token"])
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES384")


WRONG_CODES: dict[str, dict[str, str]] = {
    "another redirect URI": {"redirect_uri": "https://app.example/"},
    "another verifier": {"code_verifier": "w" * 43},
    "the challenge as the verifier": {"code_verifier": dict(asked())["code_challenge"] or ""},
    "a short verifier": {"code_verifier": "v"},
    "a verifier with a blank": {"code_verifier": "v" * 42 + " "},
}


@pytest.mark.parametrize("name", WRONG_CODES)
async def test_a_code_is_bound_and_stays_good_for_its_owner(name: str) -> None:
    server = await a_server()
    code = await permitted(server)

    with pytest.raises(InvalidGrant):
        await server.endpoints.token(redeeming(code, **WRONG_CODES[name]), now=MOMENT)

    assert await server.endpoints.token(redeeming(code), now=MOMENT)


@pytest.mark.parametrize("missing", ["redirect_uri", "code_verifier"])
async def test_a_code_without_what_it_is_bound_to_is_refused(missing: str) -> None:
    server = await a_server()
    shown = redeeming(await permitted(server))
    form = {name: value for name, value in shown.form.items() if name != missing}

    with pytest.raises(InvalidRequest, match=missing):
        await server.endpoints.token(Shown(form), now=MOMENT)


async def test_a_code_is_not_another_clients() -> None:
    server = await a_server()
    await server.clients.add(msgspec.structs.replace(APP, id="other"), now=MOMENT)

    with pytest.raises(InvalidGrant):
        await server.endpoints.token(
            redeeming(await permitted(server), client_id="other"), now=MOMENT
        )


async def test_a_code_is_good_for_a_minute() -> None:
    server = await a_server()
    codes = [await permitted(server) for _ in range(2)]

    assert await server.endpoints.token(redeeming(codes[0]), now=MOMENT + 60 * SECOND - 1)
    with pytest.raises(InvalidGrant):
        await server.endpoints.token(redeeming(codes[1]), now=MOMENT + 60 * SECOND)


async def test_a_code_that_comes_twice_withdraws_what_it_gave() -> None:
    server = await a_server()
    code = await permitted(server)
    answer = await server.endpoints.token(redeeming(code), now=MOMENT)

    with pytest.raises(InvalidGrant, match="used before"):
        await server.endpoints.token(redeeming(code), now=MOMENT)

    assert not await is_active(server, answer["access_token"])
    with pytest.raises(InvalidGrant):
        await server.endpoints.token(renewing(answer["refresh_token"]), now=MOMENT)


async def test_of_two_who_bring_a_code_at_once_none_keeps_anything() -> None:
    server = await a_server()
    code = await permitted(server)
    tries = [server.endpoints.token(redeeming(code), now=MOMENT) for _ in range(2)]

    outcomes = await asyncio.gather(*tries, return_exceptions=True)

    given = [each for each in outcomes if isinstance(each, dict)]
    assert len(given) <= 1
    for answer in given:
        assert not await is_active(server, answer["access_token"])
        with pytest.raises(InvalidGrant):
            await server.endpoints.token(renewing(answer["refresh_token"]), now=MOMENT)


async def test_an_app_gets_tokens_and_the_context_of_its_launch() -> None:
    server = await a_server()

    answer = await signed_in(server)

    assert (answer["patient"], answer["need_patient_banner"]) == ("mary", True)
    assert (answer["expires_in"], answer["token_type"]) == (600, "Bearer")
    assert answer["scope"] == "launch/patient patient/*.rs openid fhirUser offline_access"
    said = await read(server, answer["access_token"])
    assert {said.pop("jti"), said.pop("grant")}
    assert said == {
        "iss": SITE.issuer,
        "aud": SITE.audience,
        "sub": "user-ada",
        "client_id": "app",
        "iat": NOW,
        "exp": NOW + 600,
        "scope": answer["scope"],
        "patient": "mary",
        "fhirUser": "https://node.example/fhir/Practitioner/ada",
        "organisation": "RXX",
        "role": "R8000",
        "purpose": "TREAT",
    }


async def test_an_app_learns_who_signed_in_by_an_id_token() -> None:
    server = await a_server()

    answer = await signed_in(server)

    said = await read(server, answer["id_token"], audience="app")
    digest = sha256(answer["access_token"].encode()).digest()[:16]
    assert said == {
        "iss": SITE.issuer,
        "aud": "app",
        "sub": "user-ada",
        "iat": NOW,
        "exp": NOW + 600,
        "auth_time": NOW,
        "nonce": "a nonce",
        "at_hash": urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "fhirUser": "https://node.example/fhir/Practitioner/ada",
    }
    assert jwt.get_unverified_header(answer["id_token"])["alg"] == "RS256"


async def test_without_the_scopes_there_is_no_id_token_and_no_refresh_token() -> None:
    answer = await signed_in(await a_server(), scope="patient/*.rs")

    assert set(answer) == {
        *("access_token", "token_type", "expires_in", "scope"),
        *("patient", "need_patient_banner"),
    }


async def test_a_patient_asks_for_the_own_record_by_that_purpose() -> None:
    server = await a_server()
    pending = await server.requests.begin(asked(), now=MOMENT)
    url = await server.requests.permit(
        pending.handle, MARY, ["patient/*.rs"], now=MOMENT, patient="mary"
    )

    answer = await server.endpoints.token(redeeming(sent_back(url)["code"]), now=MOMENT)

    said = await read(server, answer["access_token"])
    assert (said["purpose"], said["patient"], said["scope"]) == ("PATRQT", "mary", "patient/*.rs")


async def test_what_an_ehr_hands_over_is_in_the_answer() -> None:
    server = await a_server()
    context = LaunchContext(
        "mary",
        "visit",
        need_patient_banner=False,
        smart_style_url="https://x.example/s.json",
        intent="order",
    )
    url = await server.requests.create_launch("app", ADA, context, now=MOMENT)
    launch = sent_back(url)["launch"]

    answer = await signed_in(server, scope="launch patient/*.rs", launch=launch, patient="other")

    told = ("patient", "encounter", "need_patient_banner", "smart_style_url", "intent")
    assert [answer[name] for name in told] == [
        *("mary", "visit", False),
        *("https://x.example/s.json", "order"),
    ]


async def test_an_app_with_a_secret_signs_in_too() -> None:
    server = await a_server()
    uri = "https://web.example/cb?tenant=1"
    pending = await server.requests.begin(asked(client_id="web", redirect_uri=uri), now=MOMENT)
    url = await server.requests.permit(
        pending.handle, ADA, pending.scopes, now=MOMENT, patient="mary"
    )
    assert url.startswith(uri + "&code=")
    form = {
        "grant_type": "authorization_code",
        "code": sent_back(url)["code"],
        "redirect_uri": uri,
        "code_verifier": VERIFIER,
    }

    with pytest.raises(InvalidClient):
        await server.endpoints.token(Shown(form | {"client_id": "web"}), now=MOMENT)
    assert await server.endpoints.token(Shown(form, BASIC), now=MOMENT)


async def test_a_refresh_token_gives_the_next_and_comes_back_once() -> None:
    server = await a_server()
    first = await signed_in(server)
    later = MOMENT + 3600 * SECOND

    second = await server.endpoints.token(renewing(first["refresh_token"]), now=later)

    assert second["patient"] == "mary"
    assert second["refresh_token"] != first["refresh_token"]
    with pytest.raises(InvalidGrant, match="used before"):
        await server.endpoints.token(renewing(first["refresh_token"]), now=later)
    with pytest.raises(InvalidGrant):
        await server.endpoints.token(renewing(second["refresh_token"]), now=later)
    assert not await is_active(server, second["access_token"], now=later)


async def test_a_refresh_token_of_another_client_is_withdrawn() -> None:
    server = await a_server()
    await server.clients.add(msgspec.structs.replace(APP, id="other"), now=MOMENT)
    answer = await signed_in(server)

    with pytest.raises(InvalidGrant):
        await server.endpoints.token(
            renewing(answer["refresh_token"], client_id="other"), now=MOMENT
        )

    assert not await is_active(server, answer["access_token"])


async def test_fewer_scopes_can_be_asked_for_and_more_cannot() -> None:
    server = await a_server()
    token = (await signed_in(server))["refresh_token"]
    with pytest.raises(InvalidScope):
        await server.endpoints.token(renewing(token, scope="patient/*.cruds"), now=MOMENT)

    narrow = await server.endpoints.token(renewing(token, scope="patient/Patient.rs"), now=MOMENT)
    again = await server.endpoints.token(renewing(narrow["refresh_token"]), now=MOMENT)

    assert narrow["scope"] == "patient/Patient.rs"
    assert again["scope"] == "launch/patient patient/*.rs openid fhirUser offline_access"


@pytest.mark.parametrize(
    ("access", "lasts", "steps"),
    [("offline_access", 90 * 86_400, 3), ("online_access", 12 * 3600, 1)],
)
async def test_access_lasts_from_the_last_use_offline_and_from_the_sign_in_online(
    access: str, lasts: int, steps: int
) -> None:
    server = await a_server()
    token = (await signed_in(server, scope=f"patient/*.rs {access}"))["refresh_token"]
    moment = MOMENT
    for _ in range(steps):
        moment += (lasts - 1) * SECOND
        token = (await server.endpoints.token(renewing(token), now=moment))["refresh_token"]

    late = moment + lasts * SECOND
    with pytest.raises(InvalidGrant):
        await server.endpoints.token(renewing(token), now=late)


async def test_what_a_client_is_not_registered_for_any_more_it_does_not_get_anew() -> None:
    server = await a_server()
    token = (await signed_in(server))["refresh_token"]
    await server.clients.remove("app")
    with pytest.raises(InvalidClient):
        await server.endpoints.token(renewing(token), now=MOMENT)
    narrowed = msgspec.structs.replace(
        APP, scopes=("patient/Patient.r", "offline_access"), launch_url=None
    )
    await server.clients.add(narrowed, now=MOMENT)

    answer = await server.endpoints.token(renewing(token), now=MOMENT)

    assert answer["scope"] == "patient/Patient.r offline_access"


async def is_active(server: AuthorizationServer, token: str, *, now: int = MOMENT) -> bool:
    """Tell what a resource server is told of a token."""
    name = f"resource-server-{len(await server.clients.all(now=now))}"
    await server.clients.add(backend(id=name, introspects=True), now=now)
    seconds = now // SECOND
    said = assertion_claims(iss=name, sub=name, jti=name, exp=seconds + 200)
    shown = asserting(an_assertion(said), token=token)
    return bool((await server.endpoints.introspect(shown, now=now))["active"])


async def test_a_public_client_cannot_ask_about_tokens() -> None:
    server = await a_server()
    answer = await signed_in(server)

    with pytest.raises(InvalidClient):
        await server.endpoints.introspect(
            Shown({"client_id": "app", "token": answer["access_token"]}), now=MOMENT
        )


async def test_another_clients_token_is_as_one_that_is_not_good() -> None:
    server = await a_server()
    answer = await signed_in(server)

    for token in (answer["access_token"], answer["refresh_token"], "x", "x.y", "a.b.c"):
        told = await server.endpoints.introspect(Shown({"token": token}, BASIC), now=MOMENT)
        assert told == {"active": False}


async def test_a_resource_server_learns_what_a_token_is_good_for_while_it_is() -> None:
    server = await a_server()
    await server.clients.add(backend(id="rs", introspects=True), now=MOMENT)
    answer = await signed_in(server)

    async def told(token: str, moment: int, jti: str) -> Any:
        said = assertion_claims(iss="rs", sub="rs", jti=jti, exp=moment // SECOND + 200)
        shown = asserting(an_assertion(said), token=token)
        return await server.endpoints.introspect(shown, now=moment)

    access = await told(answer["access_token"], MOMENT, "1")
    assert access["active"] is True
    assert (access["scope"], access["client_id"], access["sub"]) == (
        answer["scope"],
        "app",
        "user-ada",
    )
    assert (access["patient"], access["exp"]) == ("mary", NOW + 600)
    assert "grant" not in access
    refresh = await told(answer["refresh_token"], MOMENT, "2")
    assert (refresh["active"], refresh["scope"]) == (True, answer["scope"])
    late = MOMENT + 631 * SECOND
    assert await told(answer["access_token"], late, "3") == {"active": False}


async def test_a_refresh_token_takes_all_of_its_sign_in_along() -> None:
    server = await a_server()
    answer = await signed_in(server)
    shown = Shown({"client_id": "app", "token": answer["refresh_token"]})

    await server.endpoints.revoke(shown, now=MOMENT)

    assert not await is_active(server, answer["access_token"])
    with pytest.raises(InvalidGrant):
        await server.endpoints.token(renewing(answer["refresh_token"]), now=MOMENT)


async def test_an_access_token_goes_alone() -> None:
    server = await a_server()
    answer = await signed_in(server)
    shown = Shown({"client_id": "app", "token": answer["access_token"]})

    await server.endpoints.revoke(shown, now=MOMENT)

    assert not await is_active(server, answer["access_token"])
    assert await server.endpoints.token(renewing(answer["refresh_token"]), now=MOMENT)


async def test_what_is_not_the_clients_stays_and_it_is_told_nothing() -> None:
    server = await a_server()
    answer = await signed_in(server)

    for token in (answer["refresh_token"], answer["access_token"], "x", "a.b.c"):
        await server.endpoints.revoke(Shown({"token": token}, BASIC), now=MOMENT)

    assert await is_active(server, answer["access_token"])
    assert await server.endpoints.token(renewing(answer["refresh_token"]), now=MOMENT)
