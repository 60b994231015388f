"""What is published elsewhere, read when first needed, and again when it may have changed.

It is read again after ten minutes, and when something unknown is asked for, so that what is new works at once and
what is withdrawn not for long. What cannot be read again is good for an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from fhir_server.fhir.errors import Unavailable

SECOND = 1_000_000
FRESH = 600 * SECOND
GOOD = 3600 * SECOND
FOR_A_KEY = 60 * SECOND
"""How often an unknown key is a reason to look again: anyone can send a token that names one."""
AFTER_A_FAILURE = 5 * SECOND

_NEVER = -(1 << 62)
T = TypeVar("T")
Named = TypeVar("Named")


@dataclass(slots=True)
class Refreshed(Generic[T]):
    """What `read` gives, which may raise Unavailable; `now` is in microseconds."""

    read: Callable[[], Awaitable[T]]
    _found: T | None = None
    _read: int = _NEVER
    _tried: int = _NEVER
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, now: int, *, older_than: int = FRESH) -> T:
        """Return what is published, no older than that if it can be read; raise Unavailable after an hour."""
        await self._refresh(now, older_than)
        if self._found is None or now - self._read > GOOD:
            raise unavailable()
        return self._found

    async def look_up(
        self, part: Callable[[T], Mapping[str, Named]], name: str, now: int
    ) -> Named | None:
        """Return what has this name in a part of it; raise Unavailable where that cannot be told."""
        found = part(await self.get(now)).get(name)
        if found is None:
            found = part(await self.get(now, older_than=FOR_A_KEY)).get(name)
        if found is None and self._tried > self._read:
            # It may be one of those that could not be read.
            raise unavailable()
        return found

    async def _refresh(self, now: int, older_than: int) -> None:
        """Read what is published, unless it is young, or was tried in vain a moment ago."""
        if not self._is_due(now, older_than):
            return
        if self._turn.locked() and older_than == FRESH and now - self._read <= GOOD:
            # Another is at it, and what is known will do.
            return
        async with self._turn:
            # Another may have done it meanwhile.
            if self._is_due(now, older_than):
                await self._read_anew(now)

    async def _read_anew(self, now: int) -> None:
        try:
            self._found = await self.read()
            self._read = now
        except Unavailable:
            return
        finally:
            self._tried = now

    def _is_due(self, now: int, older_than: int) -> bool:
        return now - self._read >= older_than and now - self._tried >= AFTER_A_FAILURE


def unavailable() -> Unavailable:
    """Return the answer where what is published cannot be had."""
    return Unavailable("The issuer of tokens cannot be asked for its keys now; try again later.")
