"""The built-in authorization server, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_urlsafe

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.auth.remote import Fetch
from fhir_server.auth.server.accounts import Accounts
from fhir_server.auth.server.authentication import Authentication
from fhir_server.auth.server.authorizing import AuthorizationRequests
from fhir_server.auth.server.clients import Clients
from fhir_server.auth.server.endpoints import Endpoints
from fhir_server.auth.server.grants import Grants
from fhir_server.auth.server.issuing import Issuing
from fhir_server.auth.server.local import LocalIssuer
from fhir_server.auth.server.revocations import Revocations
from fhir_server.auth.server.signing import SigningKeys
from fhir_server.auth.server.site import Site
from fhir_server.auth.tokens import Verifier
from fhir_server.policy.access import Access
from fhir_server.storage.keyvalues import KeyValues


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """All of it: `requests` is for pages (`contract.Authorizing`), `endpoints` for machines.

    `issuer` and `revocations` are for the resource server beside it, `accounts` are the people of this store.
    """

    site: Site
    clients: Clients
    accounts: Accounts
    keys: SigningKeys
    grants: Grants
    revocations: Revocations
    requests: AuthorizationRequests
    endpoints: Endpoints
    issuing: Issuing
    issuer: LocalIssuer


def new_secret() -> str:
    """Return 256 random bits as text."""
    return token_urlsafe(32)


def authorization_server(  # noqa: PLR0913 - it is put together of so many parts
    site: Site,
    values: KeyValues,
    *,
    secret: bytes,
    fetch: Fetch,
    admit: Callable[[Access], object],
    new_secret: Callable[[], str] = new_secret,
) -> AuthorizationServer:
    """Return the server of a store; `secret` seals its signing keys, `fetch` reads clients' keys.

    `admit` raises Forbidden for a caller, named by a trusted client, whom the node would not let in.
    """
    clients, accounts = Clients(values), Accounts(values)
    keys, revocations = SigningKeys(values, AESGCM(secret)), Revocations(values)
    grants = Grants(values, revocations, new_secret)
    issuing = Issuing(site, keys, new_secret)
    issuer = LocalIssuer(site, keys)
    endpoints = Endpoints(
        authentication=Authentication(clients, values, fetch, site.url("token")),
        grants=grants,
        issuing=issuing,
        revocations=revocations,
        verifier=Verifier({site.issuer: issuer}, site.audience),
        admit=admit,
    )
    return AuthorizationServer(
        site=site,
        clients=clients,
        accounts=accounts,
        keys=keys,
        grants=grants,
        revocations=revocations,
        requests=AuthorizationRequests(site, values, clients, grants, new_secret),
        endpoints=endpoints,
        issuing=issuing,
        issuer=issuer,
    )
