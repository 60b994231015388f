"""The keys that tokens are signed with, kept in the store and sealed by its secret.

Access tokens are signed with ES384 (or RS384), ID tokens with RS256, the algorithm that every OpenID client must know;
the assertions by which this server asks others for tokens with ES384, by a key that is for nothing else.
A new key is published an hour before it is used, since others read the key set now and then only; the one before it
stays until its last token has expired. https://www.rfc-editor.org/rfc/rfc7517
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal, TypeAlias

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.auth.keys import PublicKey, usable_keys
from fhir_server.storage.keyvalues import KeyValues

KIND = "signing-key"
SECRET = "signing-keys"  # noqa: S105 - the name of one
SECOND = 1_000_000
PUBLISHED_BEFORE = 3600 * SECOND
KEPT_AFTER = 12 * 3600 * SECOND + 60 * SECOND
"""Longer than any token that it signed is good: those for development are, for twelve hours."""
READ_AGAIN = SECOND // 2

Use: TypeAlias = Literal["access", "id", "assertion"]
Algorithm: TypeAlias = Literal["ES384", "RS384", "RS256"]

DEFAULTS: Mapping[Use, Algorithm] = {"access": "ES384", "id": "RS256", "assertion": "ES384"}
OWN: tuple[Use, ...] = ("access", "id")
"""What tokens of this server are signed with: the others' keys never verify one."""
RSA_BITS = 3072
NONCE = 12
_NEVER = -(1 << 62)


class SigningKey(msgspec.Struct, frozen=True):
    """A private key (a JWK); it signs from `since` on (us), and is published until `until`, None: for now without end."""

    kid: str
    use: Use
    algorithm: Algorithm
    private: bytes
    public: dict[str, Any]
    since: int
    until: int | None = None

    def sign(self, claims: Mapping[str, Any], *, kind: str) -> str:
        """Return a token; `kind` is its `typ`."""
        header = {"alg": self.algorithm, "typ": kind, "kid": self.kid}
        from fhir_server.auth import signatures  # noqa: PLC0415 - as it says there

        return signatures.signed(header, msgspec.json.encode(claims), _imported(self.private))


@dataclass(slots=True)
class SigningKeys:
    """The keys of a store; `seal` holds its secret."""

    values: KeyValues
    seal: AESGCM
    _known: tuple[SigningKey, ...] = ()
    _public: Mapping[str, PublicKey] = field(default_factory=dict)
    _read: int = _NEVER
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def current(self, use: Use, *, now: int) -> SigningKey:
        """Return the key to sign with, made where there is none yet."""
        found = self._in_force(use, await self.all(now=now), now)
        if found is not None:
            return found
        async with self._turn:
            found = self._in_force(use, await self.all(now=now), now)
            return found or await self._make(use, DEFAULTS[use], since=now, now=now)

    async def sign(self, use: Use, claims: Mapping[str, Any], *, kind: str, now: int) -> str:
        """Return a token that the current key has signed; `kind` is its `typ`."""
        key = await self.current(use, now=now)
        if key.algorithm == "ES384":
            return key.sign(claims, kind=kind)
        # To open an RSA key takes a tenth of a second once, to sign by it some milliseconds.
        return await asyncio.to_thread(key.sign, claims, kind=kind)

    async def all(self, *, now: int) -> Sequence[SigningKey]:
        """Return the keys that are published now, the latest first."""
        if now - self._read >= READ_AGAIN:
            rows = await self.values.items(KIND, now=now)
            opened = [self._opened(kid, sealed) for kid, sealed in rows]
            known = tuple(sorted(opened, key=lambda each: (-each.since, each.kid)))
            if known != self._known:
                own = [each.public for each in known if each.use in OWN]
                self._public = usable_keys({"keys": own})
            self._known, self._read = known, now
        return self._known

    async def public(self, *, now: int) -> Mapping[str, PublicKey]:
        """Return the public halves of the keys of tokens by kid."""
        await self.all(now=now)
        return self._public

    async def jwks(self, *, now: int, uses: Sequence[Use] = OWN) -> Mapping[str, Any]:
        """Return the JWK set to publish; each of these uses has a key in it."""
        for use in uses:
            await self.current(use, now=now)
        return {"keys": [each.public for each in await self.all(now=now) if each.use in uses]}

    async def rotate(self, *, now: int, algorithm: Algorithm, at_once: bool) -> Sequence[str]:
        """Make the next keys and return the ids of those that they follow.

        At once: the new ones are used now, and the old ones not published any more, since somebody else has them.
        """
        known = await self.all(now=now)
        before = [each for each in known if at_once or each.until is None]
        since = now if at_once or not before else now + PUBLISHED_BEFORE
        for use in sorted({*OWN, *(each.use for each in known)}):
            kind = DEFAULTS[use] if use == "id" else algorithm
            await self._make(use, kind, since=since, now=now)
        for each in before:
            if at_once:
                await self.values.remove(KIND, each.kid)
            else:
                await self._keep(msgspec.structs.replace(each, until=since + KEPT_AFTER), now=now)
        self._read = _NEVER
        return [each.kid for each in before]

    async def signs(self, key: SigningKey, *, now: int) -> bool:
        """Tell whether tokens are signed with this key now."""
        return self._in_force(key.use, await self.all(now=now), now) == key

    def _in_force(self, use: Use, known: Sequence[SigningKey], now: int) -> SigningKey | None:
        return next((each for each in known if each.use == use and each.since <= now), None)

    async def _make(self, use: Use, algorithm: Algorithm, *, since: int, now: int) -> SigningKey:
        made = await asyncio.to_thread(_generated, use, algorithm, since)
        await self._keep(made, now=now)
        self._read = _NEVER
        return made

    async def _keep(self, key: SigningKey, *, now: int) -> None:
        nonce = os.urandom(NONCE)
        sealed = nonce + self.seal.encrypt(nonce, msgspec.json.encode(key), key.kid.encode())
        await self.values.put(KIND, key.kid, sealed, now=now, expires=key.until)

    def _opened(self, kid: str, sealed: bytes) -> SigningKey:
        plain = self.seal.decrypt(sealed[:NONCE], sealed[NONCE:], kid.encode())
        return msgspec.json.decode(plain, type=SigningKey)


def _generated(use: Use, algorithm: Algorithm, since: int) -> SigningKey:
    from fhir_server.auth import signatures  # noqa: PLC0415 - as it says there

    key = signatures.generated(algorithm, RSA_BITS)
    half = key.as_dict(private=False)
    kid = sha256(msgspec.json.encode(half, order="sorted")).hexdigest()[:24]
    public = {**half, "kid": kid, "use": "sig", "alg": algorithm}
    private = msgspec.json.encode(key.as_dict(private=True))
    return SigningKey(kid, use, algorithm, private, public, since)


@lru_cache(maxsize=8)
def _imported(private: bytes) -> PublicKey:
    from fhir_server.auth import signatures  # noqa: PLC0415 - as it says there

    return signatures.imported(msgspec.json.decode(private, type=dict[str, Any]))
