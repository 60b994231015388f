"""What a trusted issuer of tokens gives: its keys, and what it publishes of itself.

An issuer elsewhere is one kind (`remote.py`); the verification of tokens knows none of them by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from fhir_server.auth.keys import PublicKey


class Issuer(Protocol):
    """One issuer; `now` is in microseconds."""

    async def key(self, kid: str, *, now: int) -> PublicKey | None:
        """Return the key of this id, None if there is none; raise Unavailable where that cannot be told."""
        ...

    async def metadata(self, *, now: int) -> Mapping[str, Any]:
        """Return its metadata (RFC 8414); raise Unavailable."""
        ...
