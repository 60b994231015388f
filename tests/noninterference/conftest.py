"""The server of the stores on MongoDB: started when a test first asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import mongo


@pytest.fixture(scope="session", autouse=True)
def _mongo() -> Iterator[None]:
    """End the server that a test started."""
    yield
    mongo.end_shared()
