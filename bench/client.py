"""A load generator: connections that send prepared requests, one after the other, and count answers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast

import uvloop


def request(
    method: str,
    target: str,
    body: bytes = b"",
    headers: Sequence[str] = (),
    kind: str = "application/fhir+json",
) -> bytes:
    """Return the bytes of a request."""
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: 127.0.0.1",
        "Accept: application/fhir+json",
        *headers,
    ]
    if body:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(slots=True)
class Outcome:
    """What a run of requests came to; latencies in seconds."""

    seconds: float = 0.0
    answers: int = 0
    bytes: int = 0
    latencies: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """How many answers had which status that is not a good one."""

    @property
    def errors(self) -> int:
        """How many answers were no good ones."""
        return self.refused.total()

    @property
    def rate(self) -> float:
        """Good answers a second: errors count against it."""
        return (self.answers - self.errors) / self.seconds


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], outcome: Outcome, until: float) -> None:
        self._requests = requests
        self._outcome = outcome
        self._until = until
        self._buffer = b""
        self._missing = 0
        self._sent = 0.0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._outcome.bytes += len(data)
        if self._missing:
            self._missing -= len(data)
        else:
            self._buffer += data
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            if head[9:10] != b"2":
                self._outcome.refused[head[9:12].decode()] += 1
            place = head.find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            self._missing = length - (len(self._buffer) - end - 4)
            self._buffer = b""
        if self._missing == 0:
            self._outcome.answers += 1
            self._outcome.latencies.append(time.perf_counter() - self._sent)
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(exc)

    def _next(self) -> None:
        self._sent = time.perf_counter()
        payload = next(self._requests, None) if self._sent < self._until else None
        if payload is None:
            self._transport.close()
        else:
            self._transport.write(payload)


async def _hammer(
    port: int, requests: Iterator[bytes], connections: int, seconds: float
) -> Outcome:
    outcome = Outcome()
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    made = [
        (
            await loop.create_connection(
                lambda: _Connection(requests, outcome, start + seconds), "127.0.0.1", port
            )
        )[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(each.closed for each in made))
    outcome.seconds = time.perf_counter() - start
    return outcome


def hammer(
    port: int, requests: Sequence[bytes], *, connections: int, seconds: float, once: bool = False
) -> Outcome:
    """Send requests for some seconds, again and again or each once; return what came of it."""
    source = iter(requests) if once else cycle(requests)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_hammer(port, source, connections, seconds))
