"""A store that is away when a node starts: it is tried again, while the node tells everyone to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from time import monotonic
from typing import TypeAlias

from fhir_server.fhir.errors import Unreachable
from fhir_server.rest.telemetry import Tell

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two attempts, doubled after each."""

Serving: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""What opens the store and serves it, until the block ends; raises Unreachable where it may come by itself."""

GivenUp: TypeAlias = Callable[[Exception], None]


@asynccontextmanager
async def awaited(
    serving: Serving, seconds: float, tell: Tell, given_up: GivenUp
) -> AsyncIterator[None]:
    """Serve during the block, if need be not from its beginning.

    An attempt that fails in any other way than Unreachable is the last; so is the first after that many seconds.
    Of the very first the problem is raised, of a later one `given_up` is told.
    """
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(serving())
        except Unreachable as problem:
            if not seconds:
                raise
            again = _Again(serving, monotonic() + seconds, tell, given_up)
            await stack.enter_async_context(again.tried(problem))
        yield


class _Again:
    """The attempts after the first, beside what the block does."""

    def __init__(self, serving: Serving, until: float, tell: Tell, given_up: GivenUp) -> None:
        self._serving = serving
        self._until = until
        self._tell = tell
        self._given_up = given_up
        self._is_reached = False
        self._ended = asyncio.Event()

    @asynccontextmanager
    async def tried(self, problem: Unreachable) -> AsyncIterator[None]:
        """Try beside the block, until it ends."""
        task = asyncio.create_task(self._run(problem))
        try:
            yield
        finally:
            self._ended.set()
            if not self._is_reached:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self, problem: Unreachable) -> None:
        pause = FIRST_PAUSE
        try:
            while True:
                self._say_away(problem, pause)
                await asyncio.sleep(pause)
                try:
                    await self._serve()
                except Unreachable as again:
                    if self._ended.is_set() or monotonic() > self._until:
                        raise
                    problem, pause = again, min(2 * pause, LONGEST_PAUSE)
                else:
                    return
        except Exception as last:  # noqa: BLE001 - whatever it was, the node cannot serve
            self._tell("store_given_up", {"level": "error", "problem": str(last)})
            self._given_up(last)

    async def _serve(self) -> None:
        async with self._serving():
            self._is_reached = True
            self._tell("store_reached", {"level": "info"})
            await self._ended.wait()

    def _say_away(self, problem: Unreachable, pause: float) -> None:
        left = max(0, round(self._until - monotonic()))
        told = {"problem": str(problem), "again_in_seconds": pause, "given_up_in_seconds": left}
        self._tell("store_awaited", {"level": "warning", **told})
