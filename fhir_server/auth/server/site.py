"""Where an authorization server is, as its clients see it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from fhir_server.auth.addresses import is_loopback

PREFIX = "/auth"


@dataclass(frozen=True, slots=True)
class Site:
    """`issuer` is the URL that its tokens name, `audience` what they are good for: the FHIR base, or another name for it.

    None ends with a slash.
    """

    issuer: str
    fhir_base: str
    audience: str

    def url(self, name: str) -> str:
        """Return the URL of an endpoint, such as `token`."""
        return f"{self.issuer}{PREFIX}/{name}"

    def is_meant_by(self, audience: str) -> bool:
        """Tell whether an app means this FHIR base; on this machine itself by whichever name."""
        asked, own = audience.rstrip("/"), self.fhir_base
        return asked == own or (_anywhere(asked) is not None and _anywhere(asked) == _anywhere(own))


def _anywhere(url: str) -> tuple[str, int | None, str] | None:
    """Return what is left of a URL of this machine without its host, None for any other."""
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.query or not is_loopback(parts.hostname or ""):
            return None
        found = parts.scheme, parts.port, parts.path
    except ValueError:
        return None
    return found
