"""A server that asks for tokens, and the issuer that it trusts."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.support.issuer import Issuer, running_issuer
from tests.support.server import running_server
from tests.support.tokens import a_token, claims, published, rsa_key

FAR = 4_000_000_000
"""A second in the next century: when these tokens expire."""

ALL = "system/*.cruds"


_TLS = ssl.create_default_context()
"""Made once: it takes longer than a hundred requests, which are not encrypted."""


def a_client(base: str = "", **headers: str) -> httpx.Client:
    """Return a client that sends these headers."""
    return httpx.Client(base_url=base, headers=headers, timeout=30, verify=_TLS)


@dataclass(frozen=True)
class Guarded:
    """The FHIR base, and who gives tokens for it."""

    base: str
    issuer: Issuer

    def token(self, scope: str = ALL, **changes: Any) -> str:
        """Return a token that is good here."""
        said = claims(iss=self.issuer.url, aud=self.base, exp=FAR, iat=1, scope=scope)
        return a_token(said | changes)

    def client(self, scope: str = ALL, **changes: Any) -> httpx.Client:
        """Return a client that sends such a token, relative to the FHIR base."""
        return a_client(self.base + "/", authorization=f"Bearer {self.token(scope, **changes)}")


@contextmanager
def guarded(store: Path, **settings: Any) -> Iterator[Guarded]:
    """Serve a store to those with a token until the block ends."""
    with (
        running_issuer(published(rsa_key())) as issuer,
        running_server(store, auth="smart", issuers=issuer.url, **settings) as base,
    ):
        yield Guarded(base, issuer)
