"""A line to each member: how many requests wait for it at once, when it is left alone, what is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from fhir_server.federation.breaker import Breaker
from fhir_server.federation.members import Member
from fhir_server.federation.transport import Absent, Deleted, Failed, Reply, Transport

ATTEMPTS = 2
LONGEST_PAUSE = 2.0
"""Seconds that a Retry-After may ask for; who asks for more is left out of this page."""

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
    _turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.member.at_once)

    async def get(self, url: str, headers: Mapping[str, str], *, until: float) -> bytes:
        """Return what the member answers at a URL; raise Failed. `until` is a moment of the event loop."""
        if self.member.withheld:
            raise Failed("suspended", self.member.withheld)
        own = asyncio.get_running_loop().time() + self.member.seconds
        try:
            async with asyncio.timeout_at(min(until, own)):
                async with self._turns:
                    return await self._attempts(url, headers)
        except TimeoutError as error:
            if own <= until:
                # Its own time is up, not that of a caller in a hurry.
                self.breaker.failed(now=self.clock())
            raise Failed("timeout", "") from error

    async def _attempts(self, url: str, headers: Mapping[str, str]) -> bytes:
        for attempt in range(ATTEMPTS):
            try:
                return await self._attempt(url, headers)
            except Failed as failure:
                if failure.again is None or attempt + 1 == ATTEMPTS:
                    raise
                await asyncio.sleep(failure.again)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, url: str, headers: Mapping[str, str]) -> bytes:
        if not self.breaker.permits(now=self.clock()):
            raise Failed("circuit-open", "")
        try:
            content = _checked(await self.transport.get(url, headers))
        except Failed as failure:
            self._count(failure)
            raise
        except asyncio.CancelledError:
            self.breaker.left()
            raise
        self.breaker.succeeded()
        return content

    def _count(self, failure: Failed) -> None:
        if failure.state in {"error", "timeout"}:
            self.breaker.failed(now=self.clock())
        else:
            # It is alive, and says no.
            self.breaker.succeeded()


def _checked(reply: Reply) -> bytes:
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
        raise Failed("error", f"it answered {reply.status}", again=_pause(reply))
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Failed("error", f"it answered {reply.status}")
    if reply.status >= HTTPStatus.BAD_REQUEST:
        raise Failed("unsupported", f"it answered {reply.status}")
    raise Failed("error", f"it answered {reply.status}, which is no search result")


def _pause(reply: Reply) -> float | None:
    """Return the seconds after which to try again, None where that is too long."""
    told = reply.headers.get("retry-after", "0")
    seconds = float(told) if told.isdigit() and len(told) <= len("9999") else LONGEST_PAUSE + 1
    return seconds if seconds <= LONGEST_PAUSE else None
