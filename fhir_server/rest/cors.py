"""Cross-origin requests: https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_server.rest.answer import Header

_EXPOSED = b"ETag, Location, Last-Modified, WWW-Authenticate, X-Request-Id, X-Correlation-Id"
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_ALLOWED = (
    b"Accept, Authorization, Content-Type, If-Match, If-None-Match, If-Modified-Since, If-None-Exist, "
    b"Prefer, X-Provenance, X-Request-Id, X-Correlation-Id, NHSD-End-User-Organisation-ODS, "
    b"X-Security-Context"
)


@dataclass(frozen=True, slots=True)
class CrossOrigin:
    """The origins whose pages may call; `*` for any. Cookies are never part of it."""

    origins: frozenset[str] = frozenset()

    def headers(
        self, request_headers: Mapping[bytes, bytes], own: frozenset[str] = frozenset()
    ) -> tuple[Header, ...]:
        """Return what to add to an answer; nothing where the origin is neither on the list nor one of the caller's `own`."""
        origin = request_headers.get(b"origin")
        if origin is None:
            return ()
        if "*" in self.origins or "*" in own:
            allowed = b"*"
        elif origin.decode("latin-1") in self.origins | own:
            allowed = origin
        else:
            return ()
        return (
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", _EXPOSED),
        )

    def preflight(self, request_headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        """Return the headers that answer a preflight; nothing where it is none, or refused."""
        if b"access-control-request-method" not in request_headers:
            return ()
        headers = self.headers(request_headers)
        if not headers:
            return ()
        return (
            headers[0],
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _ALLOWED),
            (b"access-control-max-age", b"86400"),
        )


EVERY_ORIGIN = frozenset({"*"})
ANYWHERE = CrossOrigin(EVERY_ORIGIN)
"""For what an app reads before it is known: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support."""
