"""A caller, and what knows callers by their tokens: all that the HTTP layer needs of this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fhir_server.policy.access import Access
from fhir_server.policy.rights import Rights


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what for; `origins` are those of the registered app that it asks by, whose pages may read the answer."""

    access: Access
    rights: Rights
    origins: frozenset[str] = frozenset()


class Callers(Protocol):
    """Knows callers by their tokens; `now` is in microseconds."""

    @property
    def knows_apps(self) -> bool:
        """Whether apps are registered here: then pages of any origin may ask, and those of the caller's own app may read."""
        ...

    async def authenticate(self, token: str, *, now: int) -> Caller:
        """Return the caller; raise Unauthenticated, or Unavailable where the issuer cannot be asked."""
        ...

    async def metadata(self, *, now: int) -> Mapping[str, Any]:
        """Return what the issuer publishes of itself, nothing where there are several; raise Unavailable."""
        ...
