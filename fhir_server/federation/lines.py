"""A line to each member: how many requests wait for it at once, when it is left alone, what is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from copy import copy
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from fhir_server.federation.breaker import SECOND, Breaker
from fhir_server.federation.hedging import Hedging
from fhir_server.federation.members import Member
from fhir_server.federation.pausing import pause_of
from fhir_server.federation.racing import first_of
from fhir_server.federation.transport import Absent, Deleted, Failed, Reply, Transport

ATTEMPTS = 2
LONGEST_PAUSE = 2 * SECOND
"""Microseconds that are waited where a Retry-After asks for them; who asks for more is left alone until then."""

_Found = TypeVar("_Found")

_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_BUSY = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
)
_JSON = ("application/fhir+json", "application/json")


@dataclass(slots=True)
class Line:
    """The way to one member. `clock` gives microseconds."""

    member: Member
    transport: Transport
    clock: Callable[[], int]
    breaker: Breaker = field(default_factory=Breaker)
    hedging: Hedging = field(default_factory=Hedging)
    _turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.member.at_once)

    def through(self, transport: Transport) -> Line:
        """Return the same line for one caller: its turns and its breaker are those of all."""
        found = copy(self)
        found.transport = transport
        return found

    async def get(self, url: str, headers: Mapping[str, str], *, until: float) -> bytes:
        """Return what the member answers at a URL; raise Failed. `until` is a moment of the event loop."""
        return await self._in_time(lambda: self._attempts(url, headers), until)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes, *, until: float
    ) -> Reply:
        """Return what a request that changes something is answered, below 500; sent once. Raise Failed."""

        async def once() -> Reply:
            reply = await self.transport.send(method, url, headers, content)
            self._pause(reply)
            if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise Failed("error", f"it answered {reply.status}")
            return reply

        return await self._in_time(lambda: self._counted(once), until)

    async def _in_time(
        self, work: Callable[[], Coroutine[Any, Any, _Found]], until: float
    ) -> _Found:
        if self.member.withheld:
            raise Failed("suspended", self.member.withheld, sent=False)
        own = asyncio.get_running_loop().time() + self.member.seconds
        began = False
        try:
            async with asyncio.timeout_at(min(until, own)), self._turns:
                began = True
                return await work()
        except TimeoutError as error:
            if own <= until:
                # Its own time is up, not that of a caller in a hurry.
                self.breaker.failed(now=self.clock())
            raise Failed("timeout", "", sent=began) from error

    async def _attempts(self, url: str, headers: Mapping[str, str]) -> bytes:
        for attempt in range(ATTEMPTS):
            try:
                return await self._counted(lambda: self._hedged(url, headers))
            except Failed as failure:
                if failure.again is None or attempt + 1 == ATTEMPTS:
                    raise
                await asyncio.sleep(failure.again)
        raise AssertionError("the last attempt returns or raises")

    async def _counted(self, ask: Callable[[], Coroutine[Any, Any, _Found]]) -> _Found:
        """Ask, where the member is not left alone, and let the breaker know how it went."""
        if not self.breaker.permits(now=self.clock()):
            raise Failed("circuit-open", "", sent=False)
        try:
            found = await ask()
        except Failed as failure:
            self._count(failure)
            raise
        except asyncio.CancelledError:
            self.breaker.left()
            raise
        self.breaker.succeeded()
        return found

    async def _hedged(self, url: str, headers: Mapping[str, str]) -> bytes:
        """Return the answer, or that of a second request where the first takes longer than nearly all did."""
        began = self.clock()
        self.hedging.began()
        patience = self.hedging.patience()
        if patience is None:
            content = await self._once(url, headers)
        else:
            content = await first_of(
                lambda: self._once(url, headers), patience / SECOND, self._may_ask_again
            )
        self.hedging.answered(self.clock() - began)
        return content

    def _may_ask_again(self) -> bool:
        # A second request is one more that waits for the member.
        return not self._turns.locked() and self.hedging.spent()

    async def _once(self, url: str, headers: Mapping[str, str]) -> bytes:
        reply = await self.transport.get(url, headers)
        return _checked(reply, self._pause(reply))

    def _pause(self, reply: Reply) -> float | None:
        """Return the seconds after which to try again; None where that is too long, and is obeyed all the same."""
        told = reply.headers.get("retry-after") if reply.status in _BUSY else None
        if told is None:
            return 0.0
        now = self.clock()
        pause = pause_of(told, now=now)
        if pause is None or pause <= LONGEST_PAUSE:
            return None if pause is None else pause / SECOND
        self.breaker.rests(until=now + pause)
        return None

    def _count(self, failure: Failed) -> None:
        if failure.state in {"error", "timeout"}:
            self.breaker.failed(now=self.clock())
        else:
            # It is alive, and says no.
            self.breaker.succeeded()


def _checked(reply: Reply, again: float | None) -> bytes:
    """Return the content of an answer; raise Failed for another, which a busy member may give better `again`."""
    if reply.status == HTTPStatus.OK:
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _JSON:
            raise Failed("error", "its answer is not JSON")
        return reply.content
    if reply.status == HTTPStatus.GONE:
        raise Deleted("unsupported", f"it answered {reply.status}")
    if reply.status == HTTPStatus.NOT_FOUND:
        raise Absent("unsupported", f"it answered {reply.status}")
    if reply.status in _REFUSALS:
        raise Failed("unauthorised", "")
    if reply.status in _BUSY:
        raise Failed("error", f"it answered {reply.status}", again=again)
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Failed("error", f"it answered {reply.status}")
    if reply.status >= HTTPStatus.BAD_REQUEST:
        raise Failed("unsupported", f"it answered {reply.status}")
    raise Failed("error", f"it answered {reply.status}, which is no search result")
