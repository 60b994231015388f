"""Members over HTTP: https://www.python-httpx.org. Nothing they send is trusted: neither its size, nor where it points.

Their token endpoints are reached in the same way, under the same guards.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

import httpx2

from fhir_server.federation.destinations import Destination, Destinations, Forbidden
from fhir_server.federation.transport import Failed, Reply

LARGEST = 16 * 1024 * 1024
"""Bytes of an answer, unpacked."""

_JSON = "application/json"
_GZIP = 16 + zlib.MAX_WBITS
_CHUNK = 256 * 1024


class HttpTransport:
    """Fetches over one client, which is shared by all members and follows no redirects."""

    def __init__(
        self, client: httpx2.AsyncClient, destinations: Destinations, *, largest: int = LARGEST
    ) -> None:
        self._client = client
        self._destinations = destinations
        self._largest = largest

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Return what is at a URL; raise Failed."""
        return await self._sent("GET", url, headers, None)

    async def post(self, url: str, form: Mapping[str, str]) -> Reply:
        """Return what a form is answered with; raise Failed."""
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": _JSON}
        return await self._sent("POST", url, headers, urlencode(form).encode())

    async def _sent(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        try:
            destination = await self._destinations.of(url)
            return await self._to(destination, method, url, headers, body)
        except (Forbidden, ValueError) as error:
            raise Failed("error", str(error)) from error
        except (httpx2.ConnectError, httpx2.RemoteProtocolError, httpx2.ReadError) as error:
            # The connection may have been closed while it was idle.
            raise Failed("error", "the connection failed", again=0) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Failed("error", "it cannot be reached") from error

    async def _to(
        self,
        destination: Destination,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        parts = urlsplit(url)
        host = f"[{destination.address}]" if ":" in destination.address else destination.address
        pinned = urlunsplit(parts._replace(netloc=f"{host}:{destination.port}"))
        sent = {**headers, "host": parts.netloc, "accept-encoding": "gzip"}
        extensions = {"sni_hostname": destination.host} if destination.scheme == "https" else {}
        async with self._client.stream(
            method, pinned, headers=sent, content=body, extensions=extensions
        ) as response:
            content = await self._read(response)
            told = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status_code, told, content)

    async def _read(self, response: httpx2.Response) -> bytes:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"gzip", "identity"}:
            raise Failed("error", "its answer is packed in a way that was not asked for")
        read = bytearray()
        async for piece in _unpacked(response, packed=encoding == "gzip"):
            read += piece
            if len(read) > self._largest:
                raise Failed("error", f"its answer is larger than {self._largest} bytes")
        return bytes(read)


async def _unpacked(response: httpx2.Response, *, packed: bool) -> AsyncIterator[bytes]:
    """Yield the content in pieces of bounded size, however well it is packed."""
    if not packed:
        async for piece in response.aiter_raw():
            yield piece
        return
    unpacker = zlib.decompressobj(_GZIP)
    async for piece in response.aiter_raw():
        left = piece
        while left:
            try:
                yield unpacker.decompress(left, _CHUNK)
            except zlib.error as error:
                raise Failed("error", "its answer is packed wrongly") from error
            left = unpacker.unconsumed_tail
    yield unpacker.flush()
    if not unpacker.eof:
        raise Failed("error", "its answer ends too early")
