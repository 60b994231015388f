"""Trust in issuers, as long as a node runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fhir_server.auth.authenticator import Authenticator
from fhir_server.auth.fetching import Fetcher
from fhir_server.auth.identity.exchange import Exchange
from fhir_server.auth.identity.provider import IdentityProvider
from fhir_server.auth.identity.registrations import Registration
from fhir_server.auth.issuer import Issuer
from fhir_server.auth.remote import RemoteIssuer
from fhir_server.auth.server.server import (
    AuthorizationServer,
    authorization_server,
    new_secret,
)
from fhir_server.auth.server.signing import SECRET
from fhir_server.auth.server.site import Site
from fhir_server.auth.tokens import Verifier
from fhir_server.policy.access import Access
from fhir_server.storage.contract import Store

if TYPE_CHECKING:
    import httpx2


@dataclass(frozen=True, slots=True)
class Trust:
    """What knows callers by their tokens, and the node's own authorization server, if it has one.

    `providers` sign people in for that server elsewhere, by their keys.
    """

    callers: Authenticator
    server: AuthorizationServer | None = None
    providers: Mapping[str, IdentityProvider] = field(default_factory=dict)


@asynccontextmanager
async def trusting(  # noqa: PLR0913 - whom, for what, kept where, by which rules
    issuers: Collection[str],
    audience: str,
    *,
    site: Site | None,
    store: Store,
    registrations: Mapping[str, Registration],
    admit: Callable[[Access], object],
) -> AsyncIterator[Trust]:
    """Yield the trust in these issuers for this audience, and in an own one at `site`, kept in the store.

    People may sign in to that one at the providers with these registrations. `admit` raises Forbidden for a caller whom
    the node would not let in.
    """
    async with AsyncExitStack() as stack:
        network = _Network(stack)
        if issuers or registrations:
            await network.client()
        fetch = network.fetch
        trusted: dict[str, Issuer] = {url: RemoteIssuer(url, fetch) for url in issuers}
        if site is None:
            yield Trust(Authenticator(Verifier(trusted, audience)))
            return
        secret = await store.secret(SECRET)
        server = authorization_server(
            site, store.key_values, secret=secret, fetch=fetch, admit=admit
        )
        trusted[site.issuer] = server.issuer
        callers = Authenticator(
            Verifier(trusted, audience),
            own=server.issuer,
            revocations=server.revocations,
            clients=server.clients,
        )
        providers = {
            key: IdentityProvider(
                key,
                each,
                RemoteIssuer(each.issuer, fetch),
                Exchange(await network.client()),
                store.key_values,
                site.url(f"callback/{key}"),
                new_secret,
            )
            for key, each in registrations.items()
        }
        yield Trust(callers, server, providers)


@dataclass(slots=True)
class _Network:
    """Asks elsewhere with one client, which is opened when it is first needed: that takes a quarter of a second."""

    stack: AsyncExitStack
    _client: httpx2.AsyncClient | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def client(self) -> httpx2.AsyncClient:
        """Return the client."""
        async with self._turn:
            if self._client is None:
                made = await asyncio.to_thread(_made)
                self._client = await self.stack.enter_async_context(made)
            return self._client

    async def fetch(self, url: str) -> bytes | None:
        """Return what is at a URL, None if there is nothing; raise Unavailable."""
        return await Fetcher(await self.client())(url)


def _made() -> httpx2.AsyncClient:
    # Here, since a node that asks nobody needs none of it, and would start later.
    from httpx2 import AsyncClient  # noqa: PLC0415

    return AsyncClient(follow_redirects=False)
