"""Codes and refresh tokens: what a person has permitted, and what an app holds of it.

A code is good once, for a minute; a refresh token once too, as each use gives the next. Whoever brings one a second
time has it from somebody else, or somebody else has it: then all that the grant ever gave is withdrawn.
https://www.rfc-editor.org/rfc/rfc9700#section-2.1.1 and 4.14.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

import msgspec

from fhir_server.auth.server.contract import LaunchContext
from fhir_server.auth.server.errors import InvalidGrant
from fhir_server.auth.server.revocations import Revocations
from fhir_server.auth.server.scopes import OFFLINE, ONLINE
from fhir_server.auth.server.signing import KEPT_AFTER
from fhir_server.auth.server.users import User
from fhir_server.storage.keyvalues import KeyValues

CODES = "code"
GRANTS = "grant"

SECOND = 1_000_000
CODE_LASTS = 60 * SECOND
ACCESS_LASTS = 600 * SECOND
REMEMBERED = 3600 * SECOND
"""How long a used code and a withdrawn grant are known as such: longer than what they gave is good."""
ONLINE_LASTS = 12 * 3600 * SECOND
"""From the sign-in on, however often it is used."""
OFFLINE_LASTS = 90 * 86_400 * SECOND
"""From the last use on."""

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
_USED = b"used:"
_WITHDRAWN = b""


class Grant(msgspec.Struct, frozen=True):
    """What a user has permitted a client; `begun` and `authenticated` are moments (us)."""

    id: str
    client_id: str
    user: User
    scopes: tuple[str, ...]
    begun: int
    patient: str | None = None
    encounter: str | None = None
    launch: LaunchContext | None = None
    purpose: str | None = None
    nonce: str | None = None
    authenticated: int | None = None

    @property
    def is_renewable(self) -> bool:
        """Whether it gives refresh tokens."""
        return OFFLINE in self.scopes or ONLINE in self.scopes

    def renewable_until(self, now: int) -> int:
        """Return until when (us) its next refresh token is good."""
        return now + OFFLINE_LASTS if OFFLINE in self.scopes else self.begun + ONLINE_LASTS


class _Code(msgspec.Struct, frozen=True):
    grant: Grant
    redirect_uri: str
    challenge: str
    expires: int


class _Renewal(msgspec.Struct, frozen=True):
    """`token` is the hash of the one refresh token that is good."""

    grant: Grant
    token: str


_encode = msgspec.json.Encoder().encode
_code = msgspec.json.Decoder(_Code).decode
_renewal = msgspec.json.Decoder(_Renewal).decode


@dataclass(frozen=True, slots=True)
class Grants:
    """The grants of a store; `new_secret` gives text that nobody can guess, without dots."""

    values: KeyValues
    revocations: Revocations
    new_secret: Callable[[], str]

    async def give_code(self, grant: Grant, redirect_uri: str, challenge: str, *, now: int) -> str:
        """Return a code for a grant, bound to the redirect URI and the challenge (PKCE, S256)."""
        code = self.new_secret()
        record = _Code(grant, redirect_uri, challenge, now + CODE_LASTS)
        await self.values.put(
            CODES, _hash(code), _encode(record), now=now, expires=now + REMEMBERED
        )
        return code

    async def redeem(
        self, code: str, *, client_id: str, redirect_uri: str, verifier: str, now: int
    ) -> Grant:
        """Return what a code stands for, once; raise InvalidGrant."""
        key = _hash(code)
        found = await self.values.get(CODES, key, now=now)
        if found is None:
            raise InvalidGrant("The code is not known, or too old.")
        if found.startswith(_USED):
            await self._withdraw_used(found, now=now)
        record = _code(found)
        _check_code(record, client_id, redirect_uri, verifier, now)
        used = _USED + record.grant.id.encode()
        kept = await self.values.replace(CODES, key, found, used, now=now, expires=now + REMEMBERED)
        if not kept:
            # Another brought it in this very moment.
            await self._withdraw_used(used, now=now)
        return record.grant

    async def first_refresh_token(self, grant: Grant, *, now: int) -> str:
        """Return the first refresh token of a grant; raise InvalidGrant where that was withdrawn meanwhile."""
        token = f"{grant.id}.{self.new_secret()}"
        value = _encode(_Renewal(grant, _hash(token)))
        expires = grant.renewable_until(now)
        if not await self.values.add(GRANTS, grant.id, value, now=now, expires=expires):
            raise InvalidGrant("The code was used twice, so what it gave is withdrawn.")
        return token

    async def check_stands(self, grant: Grant, *, now: int) -> None:
        """Raise InvalidGrant, and end the grant, where the user or the client was removed since it was given."""
        names = (f"subject:{grant.user.subject}", f"client:{grant.client_id}")
        if await self.revocations.covered_now(names, grant.begun // SECOND, now=now):
            await self.withdraw(grant.id, now=now)
            raise InvalidGrant("What was permitted is withdrawn: sign in again.")

    async def renew(self, token: str, *, client_id: str, now: int) -> tuple[Grant, str]:
        """Return the grant of a refresh token and the token that follows; raise InvalidGrant."""
        found, renewal = await self._renewal_of(token, now=now)
        grant = renewal.grant
        following = f"{grant.id}.{self.new_secret()}"
        after = _encode(_Renewal(grant, _hash(following)))
        good = grant.client_id == client_id and compare_digest(renewal.token, _hash(token))
        if not (good and await self._follow(grant, found, after, now=now)):
            await self.withdraw(grant.id, now=now)
            raise InvalidGrant("The refresh token was used before: sign in again.")
        return grant, following

    async def of_refresh_token(self, token: str, *, now: int) -> Grant | None:
        """Return the grant of a refresh token that is good now, None for any other."""
        try:
            _, renewal = await self._renewal_of(token, now=now)
        except InvalidGrant:
            return None
        return renewal.grant if compare_digest(renewal.token, _hash(token)) else None

    async def owner_of(self, token: str, *, now: int) -> str:
        """Return the client of a refresh token's grant, whether or not the token is good; raise InvalidGrant."""
        _, renewal = await self._renewal_of(token, now=now)
        return renewal.grant.client_id

    async def withdraw(self, grant_id: str, *, now: int) -> None:
        """End a grant: its refresh token and all its access tokens."""
        await self.values.put(GRANTS, grant_id, _WITHDRAWN, now=now, expires=now + REMEMBERED)
        await self.revocations.withdraw(f"grant:{grant_id}", now=now, expires=now + REMEMBERED)

    async def withdraw_all(self, name: str, of: Callable[[Grant], bool], *, now: int) -> int:
        """Withdraw all tokens of a name, end all grants of which that is true, and return how many.

        In this order: a code that is redeemed meanwhile is looked at again once its refresh token is kept.
        """
        await self.revocations.withdraw(name, now=now, expires=now + KEPT_AFTER)
        rows = await self.values.items(GRANTS, now=now)
        ended = [key for key, value in rows if value and of(_renewal(value).grant)]
        for key in ended:
            await self.withdraw(key, now=now)
        return len(ended)

    async def _renewal_of(self, token: str, *, now: int) -> tuple[bytes, _Renewal]:
        grant_id, _, _ = token.partition(".")
        found = await self.values.get(GRANTS, grant_id, now=now)
        if not found:
            raise InvalidGrant("The refresh token is not good, or not any more: sign in again.")
        return found, _renewal(found)

    async def _follow(self, grant: Grant, before: bytes, after: bytes, *, now: int) -> bool:
        expires = grant.renewable_until(now)
        return await self.values.replace(GRANTS, grant.id, before, after, now=now, expires=expires)

    async def _withdraw_used(self, used: bytes, *, now: int) -> None:
        await self.withdraw(used.removeprefix(_USED).decode(), now=now)
        raise InvalidGrant("The code was used before, so what it gave is withdrawn.")


def challenge_of(verifier: str) -> str:
    """Return the challenge of a verifier: https://www.rfc-editor.org/rfc/rfc7636#section-4.2."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _check_code(record: _Code, client_id: str, redirect_uri: str, verifier: str, now: int) -> None:
    """Raise InvalidGrant; the code stays good, so that who has stolen it cannot spoil it."""
    if now >= record.expires or record.grant.client_id != client_id:
        raise InvalidGrant("The code is not known, or too old.")
    if record.redirect_uri != redirect_uri:
        raise InvalidGrant("redirect_uri is not that of the authorization request.")
    if not _VERIFIER.fullmatch(verifier) or not compare_digest(
        challenge_of(verifier), record.challenge
    ):
        raise InvalidGrant("code_verifier does not fit the code_challenge.")


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
