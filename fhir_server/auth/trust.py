"""Trust in issuers, as long as a node runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from fhir_server.auth.authenticator import Authenticator
from fhir_server.auth.fetching import Fetcher
from fhir_server.auth.issuer import Issuer
from fhir_server.auth.remote import RemoteIssuer
from fhir_server.auth.server.server import AuthorizationServer, authorization_server
from fhir_server.auth.server.signing import SECRET
from fhir_server.auth.server.site import Site
from fhir_server.auth.tokens import Verifier
from fhir_server.storage.contract import Store


@dataclass(frozen=True, slots=True)
class Trust:
    """What knows callers by their tokens, and the node's own authorization server, if it has one."""

    callers: Authenticator
    server: AuthorizationServer | None = None


@asynccontextmanager
async def trusting(
    issuers: Iterable[str], audience: str, *, site: Site | None, store: Store
) -> AsyncIterator[Trust]:
    """Yield the trust in these issuers for this audience, and in an own one at `site`, kept in the store."""
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
        yield Trust(callers, server)
