"""A limit on failed attempts, by whatever tells who tries: a name, a client, an address.

They are counted in the store, by all of its processes together, and forget themselves. What was typed is kept hashed:
in the field of a name people type passwords too.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import msgspec

from fhir_server.storage.keyvalues import KeyValues

KIND = "attempt"
SECOND = 1_000_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[int]).decode


@dataclass(frozen=True, slots=True)
class Limiter:
    """After `most` failures within `window` microseconds a key waits until the oldest of them is that long ago.

    `name` tells its keys from those of other limits.
    """

    name: str
    most: int
    window: int

    async def wait(self, values: KeyValues, key: str, *, now: int) -> int:
        """Return the seconds until an attempt is looked at: 0, at once."""
        found = await values.get(KIND, self._place(key), now=now)
        return self._left(self._counted(found, now), now)

    async def take(self, values: KeyValues, key: str, *, now: int) -> int:
        """Count an attempt and return 0; where the limit is reached, count nothing and return the seconds to wait.

        Of many who try at a time, in whatever process, no more than `most` are told 0.
        """
        place = self._place(key)
        while True:
            old = await values.get(KIND, place, now=now)
            counted = self._counted(old, now)
            if left := self._left(counted, now):
                return left
            new, expires = _encode([*counted, now]), max([*counted, now]) + self.window
            if old is None:
                done = await values.add(KIND, place, new, now=now, expires=expires)
            else:
                done = await values.replace(KIND, place, old, new, now=now, expires=expires)
            if done:
                return 0

    async def forget(self, values: KeyValues, key: str, *, now: int) -> None:
        """Forget what was counted: for a key that names who it is and has succeeded, never for an address."""
        place = self._place(key)
        # Nothing is written for who did not fail, which is nearly everyone.
        if await values.get(KIND, place, now=now) is not None:
            await values.remove(KIND, place)

    def _place(self, key: str) -> str:
        return sha256(f"{self.name}\0{key}".encode()).hexdigest()

    def _counted(self, found: bytes | None, now: int) -> list[int]:
        """Return the moments that count; those of a clock that was far ahead do not."""
        moments = [] if found is None else _decode(found)
        return [each for each in moments if abs(now - each) < self.window]

    def _left(self, counted: list[int], now: int) -> int:
        if len(counted) < self.most:
            return 0
        return -(-(min(counted) + self.window - now) // SECOND)
