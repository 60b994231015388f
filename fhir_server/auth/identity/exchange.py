"""What is asked of a provider directly: tokens for a code, and more claims for a token."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from fhir_server.auth.remote import json_object
from fhir_server.fhir.errors import Unavailable

if TYPE_CHECKING:
    # It takes a fifth of a second to import, and a node that asks nobody needs none of it.
    import httpx2

LARGEST = 256 * 1024
SECONDS = 5.0

_HEADERS = {"accept": "application/json", "accept-encoding": "identity"}


class Refused(Exception):
    """The provider says no: to a code that is not good, or to a token."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Asks with this client, which follows no redirects."""

    client: httpx2.AsyncClient
    seconds: float = SECONDS

    async def tokens(
        self, url: str, form: Mapping[str, str], *, client_id: str, secret: str | None
    ) -> Mapping[str, Any]:
        """Return what the token endpoint gives; raise Refused or Unavailable."""
        if secret is None:
            return await self._json("POST", url, data={**form, "client_id": client_id})
        return await self._json("POST", url, data=form, authorization=_basic(client_id, secret))

    async def userinfo(self, url: str, token: str) -> Mapping[str, Any]:
        """Return the claims of a token's holder; raise Refused or Unavailable."""
        return await self._json("GET", url, authorization=f"Bearer {token}")

    async def _json(
        self,
        method: str,
        url: str,
        *,
        data: Mapping[str, str] | None = None,
        authorization: str | None = None,
    ) -> Mapping[str, Any]:
        from httpx2 import HTTPError, InvalidURL  # noqa: PLC0415 - as above

        headers = _HEADERS if authorization is None else _HEADERS | {"authorization": authorization}
        try:
            async with (
                asyncio.timeout(self.seconds),
                self.client.stream(method, url, data=data, headers=headers) as response,
            ):
                return json_object(await _body(response))
        except (HTTPError, InvalidURL, TimeoutError) as error:
            raise Unavailable("The identity provider does not answer.") from error


async def _body(response: httpx2.Response) -> bytes:
    if response.is_client_error:
        raise Refused
    if response.status_code != HTTPStatus.OK:
        raise Unavailable("The identity provider does not give what it should.")
    read = bytearray()
    # Raw: unpacked, a small answer could be of any size.
    async for chunk in response.aiter_raw():
        read += chunk
        if len(read) > LARGEST:
            raise Unavailable("The identity provider tells more than is read.")
    return bytes(read)


def _basic(client_id: str, secret: str) -> str:
    """Return the header of a client that has a secret: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {b64encode(pair.encode()).decode()}"
