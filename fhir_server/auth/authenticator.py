"""From a token to its caller; a good token is remembered, by its hash, while it is good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from fhir_server.auth.caller import Caller
from fhir_server.auth.issuer import Issuer
from fhir_server.auth.server.revocations import Revocations
from fhir_server.auth.tokens import Verifier, not_good
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

    `own` is the issuer that speaks for this node; `revocations` are its withdrawals.
    """

    verifier: Verifier
    own: Issuer | None = None
    revocations: Revocations | None = None
    most: int = MOST_REMEMBERED
    _known: dict[bytes, _Remembered] = field(default_factory=dict)

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
        remembered = _Remembered(
            Caller(verified.access, rights_of(verified.access)),
            verified.expires,
            now + REMEMBERED_FOR,
            verified.issued,
            verified.withdrawn_by,
        )
        self._remember(digest, remembered)
        return remembered

    def _remember(self, digest: bytes, remembered: _Remembered) -> None:
        self._known.pop(digest, None)
        if len(self._known) >= self.most:
            # The one that was verified first.
            del self._known[next(iter(self._known))]
        self._known[digest] = remembered
