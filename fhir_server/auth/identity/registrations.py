"""What is agreed with identity providers elsewhere: a JSON file, its members named as in our addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from fhir_server.auth.addresses import is_safe
from fhir_server.auth.identity.claims import Meaning

_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")

OURS = frozenset(
    {"response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce"}
    | {"code_challenge", "code_challenge_method", "acr_values", "request", "request_uri"}
)
"""Parameters that the code flow stands on."""


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is agreed with one: what people know it as, its issuer, who we are there, what its claims mean here.

    `client_secret` is None for a public client; `acr` are the values of that claim that are good enough, none: all.
    `userinfo`: claims are asked for at the userinfo endpoint too, where some providers tell of roles. `parameters` are
    sent along with people, such as `prompt`.
    """

    title: str
    issuer: str
    client_id: str
    claims: Meaning
    client_secret: str | None = None
    scope: str = "openid profile"
    acr: tuple[str, ...] = ()
    userinfo: bool = False
    parameters: Mapping[str, str] = {}


def read_registrations(document: bytes) -> Mapping[str, Registration]:
    """Return the providers by their keys; raise ValueError, which says what is wrong and where."""
    try:
        found = msgspec.json.decode(document, type=dict[str, Registration])
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    for key, each in found.items():
        _check(key, each)
    return found


def _check(key: str, registration: Registration) -> None:
    if not _KEY.fullmatch(key):
        raise ValueError(
            f"{key!r} is no key of a provider: these are small letters, digits and hyphens"
        )
    if not is_safe(registration.issuer):
        raise ValueError(f"{key}.issuer: {registration.issuer} is no URL with https://")
    if "openid" not in registration.scope.split():
        raise ValueError(f"{key}.scope: without openid nobody is signed in")
    ours = sorted(OURS & registration.parameters.keys())
    if ours:
        raise ValueError(f"{key}.parameters: {ours[0]} is the server's own to say")
    if not registration.claims.roles:
        raise ValueError(f"{key}.claims.roles: without one, nobody has access")
