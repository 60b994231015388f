"""Whose turn it is to write: a queue of the processes that were refused, so that a busy one leaves room for the others.

Nothing depends on it but fairness. Who does not take its turn is passed over after a while, by whoever waits behind it.
"""

from __future__ import annotations

import asyncio
from secrets import token_hex
from time import monotonic

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.schema import STATE, TURNS

LOOK_AGAIN = 0.01
"""Seconds between two looks at the queue."""

PASSED_OVER = 3.0
"""Seconds that the first in the queue may take."""


class Turns:
    """The queue, as one process sees it."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._state = database[STATE]
        self._own = token_hex(8)
        self._is_queued = False

    async def arrive(self) -> None:
        """Return when it is this process's turn, or nobody's."""
        seen, since = None, monotonic()
        while (first := await self._first()) not in {None, self._own}:
            # Who waits is behind those who came before, and ahead of all others.
            await self.queue()
            if first != seen:
                seen, since = first, monotonic()
            elif monotonic() - since > PASSED_OVER:
                await self._leave(str(first))
            await asyncio.sleep(LOOK_AGAIN)

    async def queue(self) -> None:
        """Ask for a turn: an attempt was refused, or others wait."""
        if not self._is_queued:
            self._is_queued = True
            await self._state.update_one(
                {"_id": TURNS}, {"$addToSet": {"queue": self._own}}, upsert=True
            )

    async def done(self) -> None:
        """Leave the queue."""
        if self._is_queued:
            self._is_queued = False
            await self._leave(self._own)

    async def _first(self) -> str | None:
        turns = await self._state.find_one({"_id": TURNS})
        queue: list[str] = turns["queue"] if turns else []
        return queue[0] if queue else None

    async def _leave(self, who: str) -> None:
        await self._state.update_one({"_id": TURNS}, {"$pull": {"queue": who}})
