"""Every backend, opened empty for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from fhir_server.policy.decision import Enforcement, Policy
from fhir_server.storage.contract import Store
from fhir_server.storage.mongo import store as mongo_store
from fhir_server.storage.sqlite.store import open_store
from tests.policy.support import PURPOSES
from tests.support import mongo

START = 1_750_000_000_000_000


def ticking() -> Callable[[], int]:
    """Return a clock that goes on by a millisecond at each look."""
    moments = itertools.count(START, 1_000)
    return lambda: next(moments)


NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ENFORCEMENT = Enforcement(
    Policy(PURPOSES),
    kinds=frozenset({"Condition", "Consent", "Location", "Observation", "Patient"}),
    personal=frozenset({"Condition", "Consent", "Observation", "Patient"}),
    number_system=NHS_NUMBER,
)


def open_sqlite(
    folder: Path, clock: Callable[[], int] | None = None
) -> AbstractAsyncContextManager[Store]:
    """Open the embedded store."""
    return open_store(folder / "store.db", clock=clock or ticking(), enforcement=ENFORCEMENT)


@asynccontextmanager
async def open_mongo(folder: Path, clock: Callable[[], int] | None = None) -> AsyncIterator[Store]:
    """Open the store on MongoDB, in a database of its own for each folder."""
    with mongo.database(folder) as url:
        async with mongo_store.open_store(
            url, clock=clock or ticking(), enforcement=ENFORCEMENT
        ) as store:
            yield store


BACKENDS = {"sqlite": open_sqlite, "mongo": open_mongo}


@pytest.fixture(scope="session", autouse=True)
def _mongo() -> Iterator[None]:
    """End the server that a test started."""
    yield
    mongo.end_shared()


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Return an empty store of each backend in turn."""
    async with BACKENDS[request.param](tmp_path) as opened:
        yield opened
