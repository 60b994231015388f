"""A pool of connections for each member: a common one looks through all that it has, twice for each request."""

from __future__ import annotations

import httpx2

_KEPT = 16
"""Connections to one member that are kept when nothing is asked; how many are in use, its line bounds."""

_SECONDS = 30.0
"""How long they are kept."""


class Pools(httpx2.AsyncBaseTransport):
    """Sends each request by the pool of where it goes; the name counts too, since TLS was agreed with that one.

    No redirects are followed, nothing is tried again, and the environment's proxies are not asked: they would dial
    what was not looked at.
    """

    def __init__(self) -> None:
        self._tls = httpx2.create_ssl_context(trust_env=False)
        self._pools: dict[tuple[object, ...], httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; time is bounded by whoever sends it."""
        url = request.url
        key = (url.scheme, url.host, url.port, request.extensions.get("sni_hostname"))
        pool = self._pools.get(key) or self._opened(key)
        return await pool.handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for each in self._pools.values():
            await each.aclose()
        self._pools.clear()

    def _opened(self, key: tuple[object, ...]) -> httpx2.AsyncHTTPTransport:
        limits = httpx2.Limits(
            max_connections=None, max_keepalive_connections=_KEPT, keepalive_expiry=_SECONDS
        )
        pool = httpx2.AsyncHTTPTransport(verify=self._tls, limits=limits, trust_env=False)
        self._pools[key] = pool
        return pool
