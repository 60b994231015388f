"""One server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from tests.support.server import running_server


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the FHIR base of a server that all tests share: each uses ids of its own."""
    store = tmp_path_factory.mktemp("rest") / "fhir.db"
    with running_server(store, max_body=100_000, max_entries=20) as url:
        yield url


@pytest.fixture
def client(base: str) -> Iterator[httpx.Client]:
    """Return a client whose URLs are relative to the FHIR base."""
    with httpx.Client(base_url=base + "/") as opened:
        yield opened
