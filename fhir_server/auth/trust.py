"""Trust in issuers, as long as a node runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2

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
from fhir_server.storage.contract import Store


@dataclass(frozen=True, slots=True)
class Trust:
    """What knows callers by their tokens, and the node's own authorization server, if it has one.

    `providers` sign people in for that server elsewhere, by their keys.
    """

    callers: Authenticator
    server: AuthorizationServer | None = None
    providers: Mapping[str, IdentityProvider] = field(default_factory=dict)


@asynccontextmanager
async def trusting(
    issuers: Iterable[str],
    audience: str,
    *,
    site: Site | None,
    store: Store,
    registrations: Mapping[str, Registration],
) -> AsyncIterator[Trust]:
    """Yield the trust in these issuers for this audience, and in an own one at `site`, kept in the store.

    People may sign in to that one at the providers with these registrations.
    """
    async with httpx2.AsyncClient(follow_redirects=False) as client:
        fetch = Fetcher(client)
        trusted: dict[str, Issuer] = {url: RemoteIssuer(url, fetch) for url in issuers}
        if site is None:
            yield Trust(Authenticator(Verifier(trusted, audience)))
            return
        secret = await store.secret(SECRET)
        server = authorization_server(site, store.key_values, secret=secret, fetch=fetch)
        trusted[site.issuer] = server.issuer
        callers = Authenticator(
            Verifier(trusted, audience), own=server.issuer, revocations=server.revocations
        )
        providers = {
            key: IdentityProvider(
                key,
                each,
                RemoteIssuer(each.issuer, fetch),
                Exchange(client),
                store.key_values,
                site.url(f"callback/{key}"),
                new_secret,
            )
            for key, each in registrations.items()
        }
        yield Trust(callers, server, providers)
