"""Long work on denials in pieces, each a transaction of its own: no writer waits for more than one of them.

An audience that is not worked out yet is denied everything. What changes while it is worked out is taken in by whoever
writes it, in any process: all of them know it from the beginning on.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

from fhir_server.policy.decision import Audience
from fhir_server.storage.sqlite.denials import Denials
from fhir_server.storage.sqlite.opt_outs import ADD, REMOVE
from fhir_server.storage.sqlite.writer import Writer

PAUSE = 0.01
"""Seconds between two pieces: another process that waits for the lock looks for it now and then."""

T = TypeVar("T")


class Look(Protocol):
    """Reads on a thread, by what decides there."""

    async def __call__(self, work: Callable[[Denials], T], /) -> T:
        """Return what the work gives."""
        ...


class Piecemeal:
    """What takes long, on the writer of one process."""

    def __init__(self, writer: Writer, look: Look) -> None:
        self._writer = writer
        self._look = look
        self._admitting = asyncio.Lock()

    async def admit(self, audience: Audience, is_known: Callable[[], bool]) -> None:
        """Work out what an audience is denied, unless that was done before; raise Unavailable."""
        async with self._admitting:
            if is_known():
                return
            await self._writer.do(lambda denials: denials.begin(audience))
            owners = await self._look(lambda denials: denials.concerned())
            await self._do(
                len(owners), lambda denials, first: denials.decide_some(owners, first, audience)
            )
            await self._writer.do(lambda denials: denials.complete(audience))

    async def replace_opt_outs(self, numbers: Collection[str], as_of: int) -> None:
        """Put a register of opt-outs in place of the one before; raise Unavailable where another one is begun."""
        token = secrets.randbits(62)
        await self._writer.do(lambda denials: denials.opt_outs.begin(token))
        wanted = await self._look(lambda denials: denials.opt_outs.marks(numbers))
        added, removed = await self._look(lambda denials: denials.opt_outs.changes(wanted))
        await self._change(token, added, ADD)
        await self._change(token, removed, REMOVE)
        await self._writer.do(lambda denials: denials.opt_outs.end(token, as_of, len(wanted)))

    async def _change(self, token: int, marks: Sequence[bytes], statement: str) -> None:
        await self._do(
            len(marks),
            lambda denials, first: denials.opt_outs.change(token, marks, first, statement),
        )

    async def _do(self, number: int, piece: Callable[[Denials, int], int]) -> None:
        """Do a number of things, in pieces that tell how far they came."""
        done = [0]
        while done[0] < number:
            first = done[0]

            def job(denials: Denials, first: int = first) -> None:
                # Where the transaction is run again, so is this: from the same place on.
                done[0] = piece(denials, first)

            await self._writer.do(job)
            await asyncio.sleep(PAUSE)
