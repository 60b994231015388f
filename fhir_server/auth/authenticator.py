"""From a token to its caller; a good token is remembered, by its hash, while it is good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from fhir_server.auth.caller import Caller
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


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Knows callers by their tokens; time is in microseconds."""

    verifier: Verifier
    most: int = MOST_REMEMBERED
    _known: dict[bytes, _Remembered] = field(default_factory=dict)

    async def authenticate(self, token: str, *, now: int) -> Caller:
        """Return the caller; raise Unauthenticated, or Unavailable where the issuer cannot be asked."""
        digest = sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and now < known.forgotten:
            if now >= known.expires:
                raise not_good()
            return known.caller
        verified = await self.verifier.verify(token, now=now)
        caller = Caller(verified.access, rights_of(verified.access))
        self._remember(digest, _Remembered(caller, verified.expires, now + REMEMBERED_FOR))
        return caller

    async def metadata(self, *, now: int) -> Mapping[str, Any]:
        """Return the metadata of the issuer, where it is one; raise Unavailable."""
        issuers = self.verifier.issuers
        if len(issuers) != 1:
            return {}
        (issuer,) = issuers.values()
        return await issuer.metadata(now=now)

    def _remember(self, digest: bytes, remembered: _Remembered) -> None:
        self._known.pop(digest, None)
        if len(self._known) >= self.most:
            # The one that was verified first.
            del self._known[next(iter(self._known))]
        self._known[digest] = remembered
