"""A server that asks for tokens, and the issuer that it trusts."""

from __future__ import annotations

import json
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

PROGRAMMES = {
    "programmes": [
        {
            "id": "records",
            "purposes": ["HOPERAT", "HRESCH", "PUBHLTH", "POPHLTH"],
            "basis": "for tests",
            "organisation": "X99",
            "records": True,
        },
        {
            "id": "exempt",
            "purposes": ["HOPERAT", "HRESCH"],
            "basis": "for tests",
            "organisation": "X99",
            "exempt": True,
            "records": True,
        },
    ]
}
"""Programmes to which records are disclosed, so that these can be looked at."""

RECORDS = {"programme": "records", "organisation": "X99"}
"""The claims of the one that opt-outs bind."""

BY_PROGRAMME = frozenset({"HOPERAT", "HRESCH", "PUBHLTH", "POPHLTH"})
"""Purposes that it is for."""

FAR = 4_000_000_000
"""A second in the next century: when these tokens expire."""

METRICS_TOKEN = "metrics-of-a-guarded-node"  # noqa: S105 - of a test

ALL = "system/*.cruds"


_TLS = ssl.create_default_context()
"""Made once: it takes longer than a hundred requests, which are not encrypted."""


def a_client(base: str = "", **headers: str) -> httpx.Client:
    """Return a client that sends these headers."""
    return httpx.Client(base_url=base, headers=headers, verify=_TLS)


@dataclass(frozen=True)
class Guarded:
    """The FHIR base, and who gives tokens for it."""

    base: str
    issuer: Issuer

    def metrics(self) -> str:
        """Return what Prometheus reads."""
        headers = {"authorization": f"Bearer {METRICS_TOKEN}"}
        address = self.base.removesuffix("/fhir") + "/metrics"
        return httpx.get(address, headers=headers).raise_for_status().text

    def token(self, scope: str = ALL, **changes: Any) -> str:
        """Return a token that is good here; for other uses than care it is of the programme that is told records."""
        own = {"iss": self.issuer.url, "aud": self.base, "exp": FAR, "iat": 1, "scope": scope}
        of_programme = RECORDS if changes.get("purpose") in BY_PROGRAMME else {}
        return a_token(claims(**(own | of_programme | changes)))

    def client(self, scope: str = ALL, **changes: Any) -> httpx.Client:
        """Return a client that sends such a token, relative to the FHIR base."""
        return a_client(self.base + "/", authorization=f"Bearer {self.token(scope, **changes)}")


@contextmanager
def guarded(store: Path, **settings: Any) -> Iterator[Guarded]:
    """Serve a store to those with a token until the block ends; one without a purpose is for care, by a clinician."""
    programmes = store.with_name("programmes.json")
    programmes.write_text(json.dumps(PROGRAMMES))
    by_default = {
        "default_purpose": "TREAT",
        "default_role": "R8000",
        "programmes": programmes,
        "metrics_token": METRICS_TOKEN,
    }
    settings = by_default | settings
    with (
        running_issuer(published(rsa_key())) as issuer,
        running_server(store, auth="smart", issuers=issuer.url, **settings) as base,
    ):
        yield Guarded(base, issuer)
