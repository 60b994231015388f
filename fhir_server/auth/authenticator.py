"""From a token to its caller; a good token is remembered, by its hash, while it is good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from fhir_server.auth.caller import Caller
from fhir_server.auth.issuer import Issuer
from fhir_server.auth.server.clients import Clients, origins_of
from fhir_server.auth.server.revocations import Revocations
from fhir_server.auth.tokens import Verified, Verifier, key_name, not_good
from fhir_server.policy.rights import rights_of

MOST_REMEMBERED = 10_000
REMEMBERED_FOR = 600_000_000
"""Microseconds: a key that its issuer withdraws counts no longer than that."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    caller: Caller
    expires: int
    forgotten: int
    issued: float
    withdrawn_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Knows callers by their tokens; time is in microseconds.

    `own` is the issuer that speaks for this node; `revocations` are its withdrawals, `clients` those registered with it.
    """

    verifier: Verifier
    own: Issuer | None = None
    revocations: Revocations | None = None
    clients: Clients | None = None
    most: int = MOST_REMEMBERED
    _known: dict[bytes, _Remembered] = field(default_factory=dict)

    @property
    def knows_apps(self) -> bool:
        """Whether apps are registered here."""
        return self.clients is not None

    async def authenticate(self, token: str, *, now: int) -> Caller:
        """Return the caller; raise Unauthenticated, or Unavailable where the issuer cannot be asked."""
        digest = sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and now < known.forgotten:
            if now >= known.expires:
                raise not_good()
        else:
            known = await self._verified(token, digest, now)
        if self.revocations is not None:
            await self.revocations.refresh(now)
            if self.revocations.cover(known.withdrawn_by, known.issued):
                raise not_good()
        return known.caller

    async def metadata(self, *, now: int) -> Mapping[str, Any]:
        """Return the metadata of the own issuer, or of the other one, where it is one; raise Unavailable."""
        if self.own is not None:
            return await self.own.metadata(now=now)
        issuers = self.verifier.issuers
        if len(issuers) != 1:
            return {}
        (issuer,) = issuers.values()
        return await issuer.metadata(now=now)

    async def _verified(self, token: str, digest: bytes, now: int) -> _Remembered:
        verified = await self.verifier.verify(token, now=now)
        is_own = await self._signed(verified, now)
        origins = await self._origins(verified, now) if is_own else frozenset()
        remembered = _Remembered(
            Caller(verified.access, rights_of(verified.access), origins),
            verified.expires,
            now + REMEMBERED_FOR,
            verified.issued,
            verified.withdrawn_by if is_own else (key_name(verified.kid),),
        )
        self._remember(digest, remembered)
        return remembered

    async def _signed(self, verified: Verified, now: int) -> bool:
        """Tell whether this node signed a token itself: what others call `ada` is not the `ada` of here.

        By the key and not by `iss`, as a node that moved may still trust what it signed under its former URL.
        """
        return self.own is not None and await self.own.key(verified.kid, now=now) is not None

    async def _origins(self, verified: Verified, now: int) -> frozenset[str]:
        if self.clients is None or verified.access.client is None:
            return frozenset()
        client = await self.clients.get(verified.access.client, now=now)
        return frozenset() if client is None else origins_of(client)

    def _remember(self, digest: bytes, remembered: _Remembered) -> None:
        self._known.pop(digest, None)
        if len(self._known) >= self.most:
            # The one that was verified first.
            del self._known[next(iter(self._known))]
        self._known[digest] = remembered
