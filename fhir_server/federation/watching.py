"""Looking on at what goes to members: how long each request took, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from fhir_server.federation.transport import Reply, Transport

LEFT = "left"
"""How a request ended that was not waited for any longer."""


class Watch(Protocol):
    """Is told of each request to a member."""

    def began(self, member: str) -> None:
        """Take note that a request is on its way."""
        ...

    def ended(self, member: str, status: str, seconds: float) -> None:
        """Take note how it ended: with `2xx` to `5xx`, `error`, or `left`."""
        ...

    def spared(self, member: str) -> None:
        """Take note that a member was not asked, since it has nobody whom a search names."""
        ...


class NoWatch:
    """Takes no note."""

    def began(self, member: str) -> None:
        """Do nothing."""

    def ended(self, member: str, status: str, seconds: float) -> None:
        """Do nothing."""

    def spared(self, member: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A member's transport that is looked on at; `clock` gives microseconds."""

    transport: Transport
    member: str
    watch: Watch
    clock: Callable[[], int]

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Return what is at a URL; raise Failed."""
        return await self._watched(self.transport.get(url, headers))

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Return what a request is answered; raise Failed."""
        return await self._watched(self.transport.send(method, url, headers, content))

    async def _watched(self, request: Awaitable[Reply]) -> Reply:
        began, status = self.clock(), "error"
        self.watch.began(self.member)
        try:
            reply = await request
            status = f"{reply.status // 100}xx"
        except asyncio.CancelledError:
            status = LEFT
            raise
        else:
            return reply
        finally:
            self.watch.ended(self.member, status, (self.clock() - began) / 1_000_000)
