"""Settings of the whole suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from httpx2._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import HealthCheck, settings

from tests.support.connecting import given_up_connections_closed
from tests.support.patience import PATIENCE

# Five seconds else, wherever a request names no time of its own.
for phase in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, phase, PATIENCE)

# What is slow here may be quick where nobody else works, and compiles what all that follow use.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


LONGEST = {"e2e", "noninterference"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders of the longest tests: one of a minute at the end would keep the others' processes waiting."""
    items.sort(key=lambda each: LONGEST.isdisjoint(each.path.parts))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio: the store's writer and uvloop need it."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def connections() -> Iterator[None]:
    """Leave no socket to the garbage collector, whose warning would fail another test."""
    with given_up_connections_closed():
        yield
