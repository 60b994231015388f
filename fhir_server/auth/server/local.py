"""The built-in authorization server as an issuer of tokens: asked in the process, not over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.auth.keys import PublicKey
from fhir_server.auth.server.metadata import metadata
from fhir_server.auth.server.signing import SigningKeys
from fhir_server.auth.server.site import Site


@dataclass(frozen=True, slots=True)
class LocalIssuer:
    """See `fhir_server.auth.issuer.Issuer`."""

    site: Site
    keys: SigningKeys

    async def key(self, kid: str, *, now: int) -> PublicKey | None:
        """Return the key of this id, None if there is none."""
        return (await self.keys.public(now=now)).get(kid)

    async def metadata(self, *, now: int) -> Mapping[str, Any]:  # noqa: ARG002 - an issuer elsewhere needs it
        """Return its metadata."""
        return metadata(self.site)
