"""How a hub is to ask a member: as its client there, or without a token. Pure, but for where tokens are given."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from fhir_server.auth.addresses import is_safe
from fhir_server.auth.server.scopes import context_of
from fhir_server.federation.hub import token_endpoint
from fhir_server.federation.members import Credentials, Member
from fhir_server.federation.transport import Transport

SCOPES = "system/*.rs"
"""What is asked for at most, where nothing else is said."""


def credentials_of(
    client_id: str | None, token_url: str | None, scopes: str | None, *, untold: bool, is_open: bool
) -> Credentials | None:
    """Return the hub's credentials at a member, None without a client id; raise ValueError, which names what is wrong first.

    Without `token_url` it is found by `with_token_endpoint`. `untold`: the member is not told who asks; `is_open`: it
    is said to let everyone in.
    """
    if not client_id:
        if token_url is not None or scopes is not None or untold:
            raise ValueError("client-id is missing: tokens are got as a registered client")
        return None
    if is_open:
        raise ValueError("open: a member is asked with tokens, or lets everyone in, not both")
    if token_url is not None and not is_safe(token_url):
        raise ValueError(
            f"token-url {token_url[:100]}: this is a URL with https://, without query or fragment"
        )
    given = tuple((SCOPES if scopes is None else scopes).split())
    wrong = [each for each in given if context_of(each) != "system"]
    if wrong or not given:
        raise ValueError(f"scopes {' '.join(wrong)[:100]}: system/ scopes, such as {SCOPES}")
    return Credentials(client_id, token_url or "", given, on_behalf=not untold)


async def with_token_endpoint(
    member: Member, transport: Transport, clock: Callable[[], int]
) -> Member:
    """Return a member whose credentials, if any, say where it gives tokens: as it publishes; raise Failed."""
    credentials = member.credentials
    if credentials is None or credentials.token_url:
        return member
    url = await token_endpoint(member, transport, clock)
    return replace(member, credentials=replace(credentials, token_url=url))
