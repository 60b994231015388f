"""Members over HTTP: https://www.python-httpx.org. Nothing they send is trusted: neither its size, nor where it points."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit, urlunsplit

import httpx2

from fhir_server.federation.destinations import Destination, Destinations, Forbidden
from fhir_server.federation.transport import Failed, Reply

LARGEST = 16 * 1024 * 1024
"""Bytes of an answer, unpacked."""

_GZIP = 16 + zlib.MAX_WBITS
_CHUNK = 256 * 1024


class HttpTransport:
    """Sends over connections that are shared by all callers, and kept."""

    def __init__(
        self,
        connections: httpx2.AsyncBaseTransport,
        destinations: Destinations,
        *,
        largest: int = LARGEST,
    ) -> None:
        self._connections = connections
        self._destinations = destinations
        self._largest = largest

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Return what is at a URL; raise Failed."""
        return await self.send("GET", url, headers)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Return what a request is answered; raise Failed."""
        try:
            destination = await self._destinations.of(url)
            return await self._send(_request(method, url, destination, headers, content))
        except (Forbidden, ValueError) as error:
            raise Failed("error", str(error), sent=False) from error
        except httpx2.ConnectError as error:
            raise Failed("error", "the connection failed", again=0, sent=False) from error
        except (httpx2.RemoteProtocolError, httpx2.ReadError) as error:
            # The connection may have been closed while it was idle.
            raise Failed("error", "the connection failed", again=0) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Failed("error", "it cannot be reached") from error

    async def _send(self, request: httpx2.Request) -> Reply:
        # Not a client of httpx2: what it does for browsers' kind of requests takes half as long again.
        response = await self._connections.handle_async_request(request)
        try:
            content = await self._read(response)
        finally:
            await response.aclose()
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
        async for piece in _stream(response):
            yield piece
        return
    unpacker = zlib.decompressobj(_GZIP)
    async for piece in _stream(response):
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


def _stream(response: httpx2.Response) -> httpx2.AsyncByteStream:
    assert isinstance(response.stream, httpx2.AsyncByteStream), "it was asked for asynchronously"
    return response.stream


def _request(
    method: str, url: str, destination: Destination, headers: Mapping[str, str], content: bytes
) -> httpx2.Request:
    """Return a request that dials the address which was looked at, under the name it was looked up by."""
    parts = urlsplit(url)
    host = f"[{destination.address}]" if ":" in destination.address else destination.address
    pinned = urlunsplit(parts._replace(netloc=f"{host}:{destination.port}"))
    sent = {**headers, "host": parts.netloc, "accept-encoding": "gzip"}
    extensions = {"sni_hostname": destination.host} if destination.scheme == "https" else {}
    return httpx2.Request(method, pinned, headers=sent, content=content, extensions=extensions)
