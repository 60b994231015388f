"""Settings of the whole suite."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio: the store's writer and uvloop need it."""
    return "asyncio"
