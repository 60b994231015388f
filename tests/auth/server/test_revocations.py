"""A token that is withdrawn is refused within a second, wherever it was known, and others are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from fhir_server.auth.authenticator import Authenticator
from fhir_server.auth.compact import opened
from fhir_server.auth.issuer import Issuer
from fhir_server.auth.keys import usable_keys
from fhir_server.auth.server.revocations import LOOKED_FOR, Revocations
from fhir_server.auth.server.server import AuthorizationServer
from fhir_server.auth.tokens import TYPES, Claims, Verifier
from fhir_server.fhir.errors import Unauthenticated
from tests.auth.conftest import Known
from tests.auth.server.material import MOMENT, SECOND, SITE, a_server
from tests.support.remembering import Memory
from tests.support.tokens import ISSUER, NOW, a_token, claims, published, rsa_key

LATER = MOMENT + 10 * SECOND
EXPIRES = MOMENT + 3600 * SECOND
CLAIMS = {"sub": "user-ada", "client_id": "app", "grant": "a-grant", "scope": "user/*.rs"}


def a_worker(
    server: AuthorizationServer, others: Mapping[str, Issuer] = MappingProxyType({})
) -> Authenticator:
    """Return what another process of the same store knows callers by."""
    verifier = Verifier({SITE.issuer: server.issuer, **others}, SITE.audience)
    return Authenticator(verifier, server.issuer, Revocations(server.clients.values))


async def given(server: AuthorizationServer, **changes: str) -> str:
    return await server.issuing.development(CLAIMS | changes, seconds=600, now=MOMENT)


@pytest.mark.parametrize("kind", ["jti", "subject", "grant", "client", "key"])
async def test_by_each_of_its_names_a_token_is_withdrawn_within_a_second(kind: str) -> None:
    server = await a_server(Memory())
    worker = a_worker(server)
    token = await given(server)
    await worker.authenticate(token, now=MOMENT)
    verified = await worker.verifier.verify(token, now=MOMENT)
    (name,) = [each for each in verified.withdrawn_by if each.startswith(f"{kind}:")]

    await server.revocations.withdraw(name, now=LATER, expires=EXPIRES)

    await a_worker(server).verifier.verify(token, now=LATER)
    with pytest.raises(Unauthenticated):
        await a_worker(server).authenticate(token, now=LATER)
    with pytest.raises(Unauthenticated):
        await worker.authenticate(token, now=MOMENT + LOOKED_FOR)


async def test_what_others_signed_is_not_withdrawn_with_what_is_named_alike_here() -> None:
    server = await a_server(Memory())
    elsewhere = Known(usable_keys({"keys": [published(rsa_key())]}))
    worker = a_worker(server, {ISSUER: elsewhere})
    names = {"jti": "one", "sub": "user-ada", "client_id": "app", "grant": "a-grant"}
    token = a_token(claims(aud=SITE.audience, **names))
    for name in ("jti:one", "subject:user-ada", "client:app", "grant:a-grant"):
        await server.revocations.withdraw(name, now=LATER, expires=EXPIRES)

    assert (await worker.authenticate(token, now=LATER)).access.subject == "user-ada"


async def test_what_was_signed_here_under_another_url_is_withdrawn_too() -> None:
    server = await a_server(Memory())
    moved = Verifier({"https://former.example": server.issuer}, SITE.audience)
    former = replace(server.issuing, site=replace(SITE, issuer="https://former.example"))
    token = await former.development(CLAIMS, seconds=600, now=MOMENT)
    worker = Authenticator(moved, server.issuer, Revocations(server.clients.values))
    await worker.authenticate(token, now=MOMENT)

    await server.revocations.withdraw("subject:user-ada", now=LATER, expires=EXPIRES)

    with pytest.raises(Unauthenticated):
        await worker.authenticate(token, now=LATER)


async def test_of_a_key_that_is_gone_from_here_no_token_is_good_elsewhere() -> None:
    """Another copy of the published keys may live on for an hour."""
    server = await a_server(Memory())
    former = replace(server.issuing, site=replace(SITE, issuer="https://former.example"))
    token = await former.development(CLAIMS, seconds=600, now=MOMENT)
    copy = Known(await server.keys.public(now=MOMENT))
    moved = Verifier({"https://former.example": copy}, SITE.audience)
    worker = Authenticator(moved, Known({}), Revocations(server.clients.values))
    await worker.authenticate(token, now=MOMENT)
    (kid,) = {opened(token, Claims, types=TYPES).kid}

    await server.revocations.withdraw(f"key:{kid}", now=LATER, expires=EXPIRES)

    with pytest.raises(Unauthenticated):
        await worker.authenticate(token, now=LATER)


async def test_another_token_stays_good() -> None:
    server = await a_server(Memory())
    worker = a_worker(server)
    token = await given(server, grant="another")

    await server.revocations.withdraw("grant:a-grant", now=LATER, expires=EXPIRES)

    assert (await worker.authenticate(token, now=LATER)).access.subject == "user-ada"


async def test_what_is_issued_after_a_withdrawal_is_good() -> None:
    server = await a_server(Memory())
    await server.revocations.withdraw("client:app", now=MOMENT, expires=EXPIRES)
    later = MOMENT + SECOND
    token = await server.issuing.development(CLAIMS, seconds=600, now=later)

    assert (await a_worker(server).authenticate(token, now=later)).access.client == "app"
    with pytest.raises(Unauthenticated):
        await a_worker(server).authenticate(await given(server), now=later)


async def test_one_process_knows_of_its_own_withdrawals_at_once() -> None:
    server = await a_server(Memory())
    await server.revocations.refresh(MOMENT)
    assert not server.revocations.cover(["jti:x"], NOW)

    await server.revocations.withdraw("jti:x", now=MOMENT, expires=EXPIRES)
    await server.revocations.refresh(MOMENT)

    assert server.revocations.cover(["jti:x"], NOW)


async def test_a_withdrawal_is_forgotten_when_its_tokens_have_expired() -> None:
    revocations = Revocations(Memory())
    await revocations.withdraw("jti:x", now=MOMENT, expires=EXPIRES)

    await revocations.refresh(EXPIRES)

    assert not revocations.cover(["jti:x"], NOW)
