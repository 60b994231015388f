"""Tokens that are withdrawn before they expire: a small set, which each process follows.

A name is one token's (`jti:`), or that of all that one person, grant, client or key has to do with (`subject:`,
`grant:`, `client:`, `key:`). Withdrawn are the tokens that were issued until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fhir_server.storage.keyvalues import KeyValues

KIND = "revoked"
LOOKED_FOR = 500_000
"""Microseconds after which others' withdrawals are looked for."""

_SECOND = 1_000_000
_NEVER = -(1 << 62)


@dataclass(slots=True)
class Revocations:
    """The withdrawals of a store; `now` is in microseconds, `issued` in seconds."""

    values: KeyValues
    _moments: Mapping[str, float] = field(default_factory=dict)
    _read: int = _NEVER

    async def refresh(self, now: int) -> None:
        """Learn of others' withdrawals, unless that was done a moment ago; raise Unavailable."""
        # A step back of the clock counts as time that has passed.
        if 0 <= now - self._read < LOOKED_FOR:
            return
        found = await self.values.items(KIND, now=now)
        self._moments = {name: float(moment) for name, moment in found}
        self._read = now

    def cover(self, names: Iterable[str], issued: float) -> bool:
        """Tell whether a token of these names was withdrawn, by what is known."""
        known = self._moments
        return bool(known) and any(known.get(each, _NEVER) >= issued for each in names)

    async def covered_now(self, names: Iterable[str], issued: float, *, now: int) -> bool:
        """Tell whether what has these names was withdrawn, by what the store says at this moment."""
        found = [await self.values.get(KIND, each, now=now) for each in names]
        return any(float(each) >= issued for each in found if each is not None)

    async def withdraw(self, name: str, *, now: int, expires: int) -> None:
        """Withdraw all tokens of a name that were issued until now; `expires` is when the last of them does."""
        await self.values.put(KIND, name, str(now // _SECOND).encode(), now=now, expires=expires)
        self._read = _NEVER
