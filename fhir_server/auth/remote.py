"""An issuer elsewhere, by discovery: https://openid.net/specs/openid-connect-discovery-1_0.html, RFC 8414.

What it publishes is read when first needed, again after ten minutes, and when a token names an unknown key, so
that a new key works at once and a withdrawn one not for long. What cannot be read again is good for an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from fhir_server.auth.addresses import discovery_urls, is_safe
from fhir_server.auth.keys import PublicKey, usable_keys
from fhir_server.fhir.errors import Unavailable

Fetch: TypeAlias = Callable[[str], Awaitable[bytes | None]]
"""Returns what is at a URL, None if there is nothing; raises Unavailable."""

SECOND = 1_000_000
FRESH = 600 * SECOND
GOOD = 3600 * SECOND
FOR_A_KEY = 60 * SECOND
"""How often an unknown key is a reason to look again: anyone can send a token that names one."""
AFTER_A_FAILURE = 5 * SECOND

_NEVER = -(1 << 62)


@dataclass(frozen=True, slots=True)
class _Published:
    metadata: Mapping[str, Any]
    keys: Mapping[str, PublicKey]


_NOTHING = _Published({}, {})


@dataclass(slots=True)
class RemoteIssuer:
    """The issuer of this URL, as its tokens have it in `iss`."""

    url: str
    fetch: Fetch
    _published: _Published = _NOTHING
    _read: int = _NEVER
    _tried: int = _NEVER
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def key(self, kid: str, *, now: int) -> PublicKey | None:
        """Return the key of this id; raise Unavailable."""
        await self._refresh(now, older_than=FRESH)
        if kid not in self._published.keys:
            await self._refresh(now, older_than=FOR_A_KEY)
        found = self._known(now).keys.get(kid)
        if found is None and self._tried > self._read:
            # It may be one of those that could not be read.
            raise self._unavailable()
        return found

    async def metadata(self, *, now: int) -> Mapping[str, Any]:
        """Return its metadata; raise Unavailable."""
        await self._refresh(now, older_than=FRESH)
        return self._known(now).metadata

    def _known(self, now: int) -> _Published:
        if now - self._read > GOOD:
            raise self._unavailable()
        return self._published

    def _unavailable(self) -> Unavailable:
        return Unavailable(
            "The issuer of tokens cannot be asked for its keys now; try again later."
        )

    async def _refresh(self, now: int, *, older_than: int) -> None:
        """Read what is published, unless it is young, or was tried in vain a moment ago."""
        if not self._is_due(now, older_than):
            return
        if self._turn.locked() and older_than == FRESH and now - self._read <= GOOD:
            # Another is at it, and what is known will do.
            return
        async with self._turn:
            # Another may have done it meanwhile.
            if self._is_due(now, older_than):
                await self._read_anew(now)

    async def _read_anew(self, now: int) -> None:
        try:
            self._published = await self._fetched()
            self._read = now
        except Unavailable:
            return
        finally:
            self._tried = now

    def _is_due(self, now: int, older_than: int) -> bool:
        return now - self._read >= older_than and now - self._tried >= AFTER_A_FAILURE

    async def _fetched(self) -> _Published:
        metadata = await self._discovered()
        keys_url = metadata.get("jwks_uri")
        if not isinstance(keys_url, str) or not self._may_ask(keys_url):
            raise self._unavailable()
        return _Published(metadata, usable_keys(_object(await self.fetch(keys_url))))

    async def _discovered(self) -> Mapping[str, Any]:
        for url in discovery_urls(self.url):
            document = _object(await self.fetch(url))
            # Else one issuer could give itself out for another.
            if document.get("issuer") == self.url:
                return document
        raise self._unavailable()

    def _may_ask(self, url: str) -> bool:
        """Tell whether a URL is as safe as the issuer's own."""
        return is_safe(url) and (url.startswith("https://") or self.url.startswith("http://"))


def _object(body: bytes | None) -> Mapping[str, Any]:
    """Return a JSON object, empty for nothing; raise Unavailable for what is none."""
    if body is None:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Unavailable("The issuer of tokens publishes something else than JSON.") from error
