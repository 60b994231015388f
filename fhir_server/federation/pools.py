"""A pool of connections for each member: a common one looks through all that it has, twice for each request.

httpx2's own layer of connections (https://www.encode.io/httpcore/connection-pools/), without that of clients above it: what that does
for browsers' kind of requests took as long again.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpcore2
import httpx2

_KEPT = 16
"""Connections to one member that are kept when nothing is asked; how many are in use, its line bounds."""

_SECONDS = 30.0
"""How long they are kept."""


class Pools:
    """Sends each request by the pool of where it goes; the name counts too, since TLS was agreed with that one.

    No redirects are followed, nothing is tried again, and the environment's proxies are not asked: they would dial
    what was not looked at.
    """

    def __init__(self) -> None:
        self._tls = httpx2.create_ssl_context(trust_env=False)
        self._pools: dict[tuple[object, ...], httpcore2.AsyncConnectionPool] = {}

    async def __aenter__(self) -> Self:
        """Return the pools, to be closed at the end of the block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self.aclose()

    async def send(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send a request, and return its answer, which has to be closed; time is bounded by whoever sends it."""
        origin = request.url.origin
        key = (origin.scheme, origin.host, origin.port, request.extensions.get("sni_hostname"))
        pool = self._pools.get(key) or self._opened(key)
        return await pool.handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for each in self._pools.values():
            await each.aclose()
        self._pools.clear()

    def _opened(self, key: tuple[object, ...]) -> httpcore2.AsyncConnectionPool:
        pool = httpcore2.AsyncConnectionPool(
            ssl_context=self._tls,
            max_connections=None,
            max_keepalive_connections=_KEPT,
            keepalive_expiry=_SECONDS,
        )
        self._pools[key] = pool
        return pool
