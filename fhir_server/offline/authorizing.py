"""The authorization server of a store: clients, accounts, keys, tokens."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Sequence,
)
from contextlib import asynccontextmanager

from fhir_server.auth.server.server import (
    AuthorizationServer,
    authorization_server,
    new_secret,
)
from fhir_server.auth.server.signing import SECRET
from fhir_server.demonstration.accounts import accounts
from fhir_server.rules import admission
from fhir_server.settings import Settings
from fhir_server.wiring import clock, opened_store, site_of


@asynccontextmanager
async def authorization(settings: Settings) -> AsyncIterator[AuthorizationServer]:
    """Yield the authorization server of the store, which may be in use; made if absent. Raise FhirError."""
    async with opened_store(settings) as store:
        yield authorization_server(
            site_of(settings),
            store.key_values,
            secret=await store.secret(SECRET),
            fetch=_fetch_nothing,
            admit=admission(settings),
        )


async def _fetch_nothing(_: str) -> None:
    """Stand for the network: a command asks nobody."""


async def demonstration_passwords(settings: Settings) -> Sequence[tuple[str, str]]:
    """Give the people of the synthetic platform new passwords, and return these by name; raise FhirError."""
    given = [(each, new_secret()[:20]) for each in accounts()]
    async with authorization(settings) as server:
        for user, password in given:
            await server.accounts.remove(user.subject, now=clock())
            await server.accounts.add(user.subject, password, user, now=clock())
    return [(user.subject, password) for user, password in given]
