"""A token that is withdrawn is refused within a second, wherever it was known, and others are not."""

from __future__ import annotations

import pytest

from fhir_server.auth.authenticator import Authenticator
from fhir_server.auth.server.revocations import LOOKED_FOR, Revocations
from fhir_server.auth.server.server import AuthorizationServer
from fhir_server.auth.tokens import Verifier
from fhir_server.fhir.errors import Unauthenticated
from tests.auth.server.material import MOMENT, SECOND, SITE, a_server
from tests.support.remembering import Memory
from tests.support.tokens import NOW

LATER = MOMENT + 10 * SECOND
EXPIRES = MOMENT + 3600 * SECOND
CLAIMS = {"sub": "user-ada", "client_id": "app", "grant": "a-grant", "scope": "user/*.rs"}


def a_worker(server: AuthorizationServer) -> Authenticator:
    """Return what another process of the same store knows callers by."""
    verifier = Verifier({SITE.issuer: server.issuer}, SITE.audience)
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
