"""Which tokens are good: forgeries first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.auth.tokens import Verifier
from fhir_server.fhir.errors import Unauthenticated
from tests.auth.conftest import issuers
from tests.auth.forgeries import FORGED
from tests.support.tokens import AUDIENCE, NOW, a_token, claims, ec_key, rsa_key

MOMENT = NOW * 1_000_000

GOOD: dict[str, Callable[[], str]] = {
    "RS384": a_token,
    "RS256": lambda: a_token(alg="RS256"),
    "RS512": lambda: a_token(alg="RS512"),
    "a key for RS512 alone": lambda: a_token(
        key=rsa_key("only RS512"), alg="RS512", kid="for RS512 alone"
    ),
    "ES384": lambda: a_token(key=ec_key(), alg="ES384", kid="elliptic"),
    "typ JWT": lambda: a_token(typ="JWT"),
    "typ in full and in capitals": lambda: a_token(typ="application/AT+JWT"),
    "more headers": lambda: a_token(x5t="thumb", nonce="more"),
    "one of several audiences": lambda: a_token(claims(aud=["an-app", AUDIENCE])),
    "expired, by the leeway": lambda: a_token(claims(exp=NOW - 29)),
    "half a second": lambda: a_token(claims(exp=NOW + 0.5)),
    "valid soon, by the leeway": lambda: a_token(claims(nbf=NOW + 30, iat=NOW + 30)),
    "no iat, and more claims": lambda: a_token(claims(iat=None, more={"of": ["any", "kind"]})),
}


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_is_refused_and_told_nothing(verifier: Verifier, name: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await verifier.verify(FORGED[name](), now=MOMENT)

    assert str(refusal.value) == "The token is not valid here; get a new one."
    assert refusal.value.sent


def test_the_forgeries_are_many() -> None:
    assert len(FORGED) >= 100


@given(text=st.text() | st.from_regex(r"[\w-]+\.[\w-]+\.[\w-]+", fullmatch=True))
def test_whatever_is_sent_as_a_token_is_refused_and_not_failed_on(text: str) -> None:
    with pytest.raises(Unauthenticated):
        asyncio.run(Verifier(issuers(), AUDIENCE).verify(text, now=MOMENT))


@given(place=st.integers(0, 2000), character=st.sampled_from("AZaz09-_."))
def test_a_token_with_one_character_changed_is_refused(place: int, character: str) -> None:
    token = a_token()
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    if changed == token:
        return

    with pytest.raises(Unauthenticated):
        asyncio.run(Verifier(issuers(), AUDIENCE).verify(changed, now=MOMENT))


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_token_is_taken(verifier: Verifier, name: str) -> None:
    verified = await verifier.verify(GOOD[name](), now=MOMENT)

    assert verified.access.subject == "someone"
    assert verified.expires > MOMENT


async def test_a_token_tells_who_asks_and_what_for(verifier: Verifier) -> None:
    said = claims(
        scope="openid patient/*.rs", patient="Patient/ada", role="R8000", organisation="RXX"
    )

    access = (await verifier.verify(a_token(said), now=MOMENT)).access

    assert (access.issuer, access.subject, access.client) == (
        said["iss"],
        said["sub"],
        said["client_id"],
    )
    assert (access.patient, access.role, access.organisation) == ("ada", "R8000", "RXX")
    assert {each.letters for each in access.scopes.given} == {"rs"}


async def test_a_token_without_scopes_is_good_for_nothing(verifier: Verifier) -> None:
    access = (await verifier.verify(a_token(claims(scope=None)), now=MOMENT)).access

    assert access.scopes.given == frozenset()
