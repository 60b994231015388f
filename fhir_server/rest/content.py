"""Bodies: read no further than the limit, and understood by their Content-Type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from fhir_server.fhir.errors import BadRequest, TooLarge
from fhir_server.fhir.resource import Resource

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Disconnected(Exception):
    """The client went away before its body was complete: nobody waits for an answer."""


class Streamed(msgspec.Struct):
    """A body that is still to come from the network."""

    receive: Receive
    announced: bytes | None
    limit: int
    arrived: bytes | None = None

    async def read(self) -> bytes:
        """Return the whole body, the same each time; raise TooLarge as soon as it is known to be."""
        if self.arrived is None:
            self.arrived = await self._read()
        return self.arrived

    async def _read(self) -> bytes:
        if self.announced is not None:
            self._check_announced(self.announced)
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > self.limit:
                raise self._too_large()
            chunks.append(chunk)
            more = message.get("more_body", False)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _check_announced(self, announced: bytes) -> None:
        if not announced.isdigit():
            raise BadRequest("Content-Length is no number.")
        if len(announced) > len(str(self.limit)) or int(announced) > self.limit:
            raise self._too_large()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than the {self.limit} bytes that this server takes.")


@dataclass(frozen=True, slots=True)
class Given:
    """A resource that was part of a Bundle; None: the entry has none."""

    resource: Resource | None


Content: TypeAlias = Streamed | Given
