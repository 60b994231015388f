"""Small documents over HTTP, in little time: what an issuer publishes."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from fhir_server.fhir.errors import Unavailable

if TYPE_CHECKING:
    # It takes a fifth of a second to import, and a node that asks nobody needs none of it.
    import httpx2

LARGEST = 256 * 1024
SECONDS = 3.0

_HEADERS = {"accept": "application/json", "accept-encoding": "identity"}


class Fetcher:
    """Fetches documents with this client, which follows no redirects."""

    def __init__(self, client: httpx2.AsyncClient, *, seconds: float = SECONDS) -> None:
        self._client = client
        self._seconds = seconds

    async def __call__(self, url: str) -> bytes | None:
        """Return what is at a URL, None if there is nothing; raise Unavailable."""
        from httpx2 import HTTPError, InvalidURL  # noqa: PLC0415 - as above

        try:
            async with asyncio.timeout(self._seconds):
                return await self._fetch(url)
        except (HTTPError, InvalidURL, TimeoutError) as error:
            raise Unavailable("The issuer of tokens does not answer.") from error

    async def _fetch(self, url: str) -> bytes | None:
        async with self._client.stream("GET", url, headers=_HEADERS) as response:
            if response.status_code == HTTPStatus.NOT_FOUND:
                return None
            if response.status_code != HTTPStatus.OK:
                raise Unavailable("The issuer of tokens does not give what it should publish.")
            read = bytearray()
            # Raw: unpacked, a small answer could be of any size.
            async for chunk in response.aiter_raw():
                read += chunk
                if len(read) > LARGEST:
                    raise Unavailable("The issuer of tokens publishes more than is read.")
            return bytes(read)
