"""Trust in issuers, as long as a node runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx2

from fhir_server.auth.authenticator import Authenticator
from fhir_server.auth.fetching import Fetcher
from fhir_server.auth.remote import RemoteIssuer
from fhir_server.auth.tokens import Verifier


@asynccontextmanager
async def trusting(issuers: Iterable[str], audience: str) -> AsyncIterator[Authenticator]:
    """Yield what knows callers by tokens of these issuers for this audience."""
    async with httpx2.AsyncClient(follow_redirects=False) as client:
        fetch = Fetcher(client)
        trusted = {url: RemoteIssuer(url, fetch) for url in issuers}
        yield Authenticator(Verifier(trusted, audience))
