"""An issuer elsewhere, by discovery: https://openid.net/specs/openid-connect-discovery-1_0.html, RFC 8414."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from fhir_server.auth.addresses import discovery_urls, is_safe
from fhir_server.auth.keys import PublicKey, usable_keys
from fhir_server.auth.refreshed import Refreshed, unavailable
from fhir_server.fhir.errors import Unavailable

Fetch: TypeAlias = Callable[[str], Awaitable[bytes | None]]
"""Returns what is at a URL, None if there is nothing; raises Unavailable."""


@dataclass(frozen=True, slots=True)
class _Published:
    metadata: Mapping[str, Any]
    keys: Mapping[str, PublicKey]


@dataclass(slots=True)
class RemoteIssuer:
    """The issuer of this URL, as its tokens have it in `iss`."""

    url: str
    fetch: Fetch
    _published: Refreshed[_Published] = field(init=False)

    def __post_init__(self) -> None:
        self._published = Refreshed(self._fetched)

    async def key(self, kid: str, *, now: int) -> PublicKey | None:
        """Return the key of this id; raise Unavailable."""
        return await self._published.look_up(lambda each: each.keys, kid, now)

    async def metadata(self, *, now: int) -> Mapping[str, Any]:
        """Return its metadata; raise Unavailable."""
        return (await self._published.get(now)).metadata

    async def _fetched(self) -> _Published:
        metadata = await self._discovered()
        keys_url = metadata.get("jwks_uri")
        if not isinstance(keys_url, str) or not self._may_ask(keys_url):
            raise unavailable()
        return _Published(metadata, usable_keys(json_object(await self.fetch(keys_url))))

    async def _discovered(self) -> Mapping[str, Any]:
        for url in discovery_urls(self.url):
            document = json_object(await self.fetch(url))
            # Else one issuer could give itself out for another.
            if document.get("issuer") == self.url:
                return document
        raise unavailable()

    def _may_ask(self, url: str) -> bool:
        """Tell whether a URL is as safe as the issuer's own."""
        return is_safe(url) and (url.startswith("https://") or self.url.startswith("http://"))


def json_object(body: bytes | None) -> Mapping[str, Any]:
    """Return a JSON object, empty for nothing; raise Unavailable for what is none."""
    if body is None:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Unavailable("The issuer of tokens publishes something else than JSON.") from error
