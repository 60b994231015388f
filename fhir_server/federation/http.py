"""Members over HTTP: https://github.com/pydantic/httpx2. Nothing they send is trusted: neither its size, nor where it points."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from urllib.parse import quote, urlsplit

import httpcore2

from fhir_server.federation.destinations import Destination, Destinations, Forbidden
from fhir_server.federation.pools import Pools
from fhir_server.federation.transport import Failed, Reply

LARGEST = 16 * 1024 * 1024
"""Bytes of an answer, unpacked."""

_FAILURES = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)
_GZIP = 16 + zlib.MAX_WBITS
_CHUNK = 256 * 1024

_AS_IT_IS = "!$%&'()*+,/:;=@[\\]^_|~?-."
"""Of a path and a query; all else that is neither letter nor digit is percent-encoded, spaces and `"#<>{}` too."""


class HttpTransport:
    """Sends over connections that are shared by all callers, and kept."""

    def __init__(self, pools: Pools, destinations: Destinations, *, largest: int = LARGEST) -> None:
        self._pools = pools
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
        except httpcore2.ConnectError as error:
            raise Failed("error", "the connection failed", again=0, sent=False) from error
        except (httpcore2.RemoteProtocolError, httpcore2.ReadError) as error:
            # The connection may have been closed while it was idle.
            raise Failed("error", "the connection failed", again=0) from error
        except (*_FAILURES, OSError) as error:
            raise Failed("error", "it cannot be reached") from error

    async def _send(self, request: httpcore2.Request) -> Reply:
        response = await self._pools.send(request)
        try:
            told = _told(response.headers)
            content = await self._read(response, told.get("content-encoding", "identity"))
        finally:
            await response.aclose()
        return Reply(response.status, told, content)

    async def _read(self, response: httpcore2.Response, packed: str) -> bytes:
        encoding = packed.strip().lower()
        if encoding not in {"gzip", "identity"}:
            raise Failed("error", "its answer is packed in a way that was not asked for")
        read = bytearray()
        async for piece in _unpacked(response, packed=encoding == "gzip"):
            read += piece
            if len(read) > self._largest:
                raise Failed("error", f"its answer is larger than {self._largest} bytes")
        return bytes(read)


async def _unpacked(response: httpcore2.Response, *, packed: bool) -> AsyncIterator[bytes]:
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


def _stream(response: httpcore2.Response) -> AsyncIterable[bytes]:
    assert isinstance(response.stream, AsyncIterable), "it was asked for asynchronously"
    return response.stream


def _told(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return headers by their names in small letters; what is sent twice is one list."""
    told: dict[str, str] = {}
    for each, content in headers:
        name, value = each.decode("latin-1").lower(), content.decode("latin-1")
        told[name] = f"{told[name]}, {value}" if name in told else value
    return told


def _request(
    method: str, url: str, destination: Destination, headers: Mapping[str, str], content: bytes
) -> httpcore2.Request:
    """Return a request that dials the address which was looked at, under the name it was looked up by."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    sent = {**headers, "host": parts.netloc, "accept-encoding": "gzip"}
    if method != "GET":
        sent["content-length"] = str(len(content))
    return httpcore2.Request(
        method,
        httpcore2.URL(
            scheme=destination.scheme.encode(),
            host=destination.address.encode(),
            port=destination.port,
            target=quote(target, safe=_AS_IT_IS).encode(),
        ),
        headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in sent.items()],
        content=content,
        extensions={"sni_hostname": destination.host} if destination.scheme == "https" else {},
    )
