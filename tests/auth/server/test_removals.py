"""Who is removed gets nothing any more, whatever was on its way."""

from __future__ import annotations

import pytest

from fhir_server.auth.server.errors import InvalidGrant
from fhir_server.auth.server.server import AuthorizationServer
from tests.auth.server.material import (
    ADA,
    MOMENT,
    SECOND,
    a_server,
    permitted,
    redeeming,
    renewing,
)
from tests.support.remembering import Memory

SUBJECT, CLIENT = f"subject:{ADA.subject}", "client:app"
TWELVE_HOURS = 12 * 3600


async def removed(server: AuthorizationServer, name: str, *, now: int = MOMENT) -> None:
    """Do what the command does that removes a user, or a client."""
    await server.grants.withdraw_all(
        name,
        lambda each: name in {f"subject:{each.user.subject}", f"client:{each.client_id}"},
        now=now,
    )


@pytest.mark.parametrize("name", [SUBJECT, CLIENT])
async def test_a_code_of_before_gives_nothing_after_a_removal(name: str) -> None:
    server = await a_server(Memory())
    code = await permitted(server)
    await removed(server, name, now=MOMENT + SECOND)

    with pytest.raises(InvalidGrant, match="withdrawn"):
        await server.endpoints.token(redeeming(code), now=MOMENT + 2 * SECOND)

    kept = await server.grants.values.items("grant", now=MOMENT + 2 * SECOND)
    assert [value for _, value in kept if value] == []


@pytest.mark.parametrize("name", [SUBJECT, CLIENT])
async def test_a_refresh_token_of_before_gives_nothing_after_a_removal(name: str) -> None:
    server = await a_server(Memory())
    answer = await server.endpoints.token(redeeming(await permitted(server)), now=MOMENT)
    await removed(server, name)

    with pytest.raises(InvalidGrant):
        await server.endpoints.token(renewing(answer["refresh_token"]), now=MOMENT + SECOND)


async def test_a_token_for_development_of_somebody_removed_is_not_good_again_before_it_expires() -> (
    None
):
    server = await a_server(Memory())
    claims = {"sub": ADA.subject, "scope": "user/*.rs"}
    await server.issuing.development(claims, seconds=TWELVE_HOURS, now=MOMENT)
    await removed(server, SUBJECT)
    late = MOMENT + (TWELVE_HOURS - 1) * SECOND

    await server.revocations.refresh(late)

    assert server.revocations.cover([SUBJECT], MOMENT // SECOND)


async def test_who_is_registered_again_signs_in_again() -> None:
    server = await a_server(Memory())
    await removed(server, SUBJECT, now=MOMENT - 2 * SECOND)

    answer = await server.endpoints.token(redeeming(await permitted(server)), now=MOMENT)

    assert answer["refresh_token"]
