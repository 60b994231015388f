"""The clients that are registered: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from fhir_server.auth.addresses import is_loopback, is_safe
from fhir_server.auth.keys import usable_keys
from fhir_server.auth.server.scopes import context_of, is_scope
from fhir_server.policy.scopes import OPT_OUTS, PERSON_INDEX
from fhir_server.storage.keyvalues import KeyValues

KIND = "client"

Method: TypeAlias = Literal["none", "client_secret_basic", "private_key_jwt"]
"""How a client shows who it is: https://www.rfc-editor.org/rfc/rfc7591#section-2; `none`: it cannot, as a public one."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")
_PORTS = {"https": 443, "http": 80}
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")


class Client(msgspec.Struct, frozen=True):
    """A registered client.

    `scopes` bound what it may be given. `redirect_uris` are compared character by character. `secret` is the hash of
    its secret; its public keys are in `jwks`, or at `jwks_uri`. `organisation` (an ODS code), `role`, `purpose` and
    `programme` are what its own tokens say; an app that people use has only a `purpose`, to which theirs are bound.
    `introspects`: it may ask about the tokens of all clients, as a resource server does.
    `on_behalf` are the purposes of use for which it asks in the name of its own callers, never in its own: then
    `organisation`, `role` and `programme` bound whose name that may be.
    """

    id: str
    name: str
    method: Method
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()
    launch_url: str | None = None
    secret: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    organisation: str | None = None
    role: str | None = None
    purpose: str | None = None
    introspects: bool = False
    programme: str | None = None
    on_behalf: tuple[str, ...] = ()

    @property
    def is_backend(self) -> bool:
        """Whether it gets tokens for itself, without a person."""
        return any(context_of(each) == "system" for each in self.scopes)


class BadClient(ValueError):
    """What cannot be registered; the message tells what would work."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The register of a store."""

    values: KeyValues

    async def get(self, client_id: str, *, now: int) -> Client | None:
        """Return a client, None where none is registered by this id."""
        found = await self.values.get(KIND, client_id, now=now)
        return None if found is None else _decode(found)

    async def all(self, *, now: int) -> Sequence[Client]:
        """Return all clients in the order of their ids."""
        return [_decode(value) for _, value in await self.values.items(KIND, now=now)]

    async def add(self, client: Client, *, now: int) -> bool:
        """Register a client unless the id is taken; tell whether it was free. Raise BadClient."""
        check(client)
        return await self.values.add(KIND, client.id, _encode(client), now=now)

    async def remove(self, client_id: str) -> None:
        """Forget a client."""
        await self.values.remove(KIND, client_id)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Client).decode


def hashed(secret: str) -> str:
    """Return what is kept of a secret that was made at random: of such a one a plain hash tells nothing."""
    return sha256(secret.encode()).hexdigest()


def origins_of(client: Client) -> frozenset[str]:
    """Return where the pages of an app are: https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin."""
    return frozenset(filter(None, map(_origin, client.redirect_uris)))


def _origin(uri: str) -> str | None:
    """Return the origin of a page as browsers write it, None for an app that is none."""
    parts = urlsplit(uri)
    if parts.scheme not in _PORTS:
        return None
    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, _PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{named}{port}"


def check(client: Client) -> None:
    """Raise BadClient for what does not go together, or is not safe."""
    if not _ID.fullmatch(client.id):
        raise BadClient(
            f"id {client.id!r}: 1 to 64 of A-Z a-z 0-9 . _ ~ -, a letter or digit first"
        )
    wrong = [each for each in client.scopes if not is_scope(each)]
    if wrong or not client.scopes:
        raise BadClient(
            f"scope {wrong[0]!r} is none that is given here" if wrong else "it needs scopes"
        )
    _check_addresses(client)
    _check_keys(client)
    _check_grants(client)


def _check_addresses(client: Client) -> None:
    for each in client.redirect_uris:
        if not _may_redirect(each):
            raise BadClient(
                f"redirect URI {each}: https://…, http:// on this machine, or an app's own scheme such as"
                " org.example.app:/callback; without a fragment"
            )
    for address in filter(None, (client.launch_url, client.jwks_uri)):
        if not is_safe(address):
            raise BadClient(f"{address}: this is a URL with https://, without query or fragment")


def _may_redirect(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if "#" in uri or "\\" in uri or not uri.isascii() or not uri.isprintable() or " " in uri:
        return False
    if parts.scheme in {"https", "http"}:
        return (
            parts.username is None and host != "" and (parts.scheme == "https" or is_loopback(host))
        )
    return _PRIVATE_SCHEME.fullmatch(parts.scheme) is not None


def _check_keys(client: Client) -> None:
    named = [each for each in (client.jwks, client.jwks_uri, client.secret) if each is not None]
    if (client.method == "none") != (not named) or len(named) > 1:
        raise BadClient(
            "a client has a secret, or its public keys (as a file or at a URL); a public one has neither"
        )
    if client.jwks is not None and not assertion_keys(client.jwks):
        raise BadClient(
            "the JWKS has no key that could be used: RSA of 2048 bits or more, or EC P-384, public, each with a kid"
        )


def _check_grants(client: Client) -> None:
    contexts = {context_of(each) for each in client.scopes}
    if client.is_backend and client.method != "private_key_jwt":
        raise BadClient("system/ scopes are for clients with public keys: register its JWKS")
    if client.is_backend and client.redirect_uris:
        raise BadClient(
            "a backend service (system/ scopes) has no redirect URI: register two clients"
        )
    if not client.is_backend and not client.redirect_uris and not client.introspects:
        raise BadClient("it needs a redirect URI, or system/ scopes as a backend service")
    if client.launch_url is not None and not (
        {"launch"} & set(client.scopes) and client.redirect_uris
    ):
        raise BadClient("a launch URL is for apps with a redirect URI and the scope launch")
    own = client.organisation or client.role or client.programme
    if own and contexts & {"patient", "user"}:
        raise BadClient(
            "organisation, role and programme are a backend service's; people bring their own"
        )
    _check_behalf(client, contexts)


def _check_behalf(client: Client, contexts: set[str | None]) -> None:
    if not client.on_behalf:
        if PERSON_INDEX in client.scopes:
            raise BadClient(f"{PERSON_INDEX} is for who asks in the name of others: a hub")
        return
    if contexts != {"system"} or client.introspects:
        raise BadClient("who asks in the name of others has system/ scopes, and no other rights")
    if OPT_OUTS in client.scopes:
        raise BadClient(f"{OPT_OUTS} is for a client that asks in its own name")
    if client.purpose is not None:
        raise BadClient(
            "a purpose is its own; those of its callers are the ones it asks on behalf for"
        )


def assertion_keys(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keys of a JWK set by which a client may sign."""
    return usable_keys(document)
