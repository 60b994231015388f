"""Every backend, opened empty for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from fhir_server.policy.decision import Enforcement, Policy
from fhir_server.storage.contract import Store
from fhir_server.storage.sqlite.store import open_store
from tests.policy.support import LABELS, PURPOSES

START = 1_750_000_000_000_000


def ticking() -> Callable[[], int]:
    """Return a clock that goes on by a millisecond at each look."""
    moments = itertools.count(START, 1_000)
    return lambda: next(moments)


NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ENFORCEMENT = Enforcement(
    Policy(PURPOSES, labels=LABELS),
    kinds=frozenset({"Condition", "Consent", "Location", "Observation", "Patient"}),
    personal=frozenset({"Condition", "Consent", "Observation", "Patient"}),
    number_system=NHS_NUMBER,
)


def open_sqlite(
    folder: Path, clock: Callable[[], int] | None = None
) -> AbstractAsyncContextManager[Store]:
    """Open the embedded store."""
    return open_store(folder / "store.db", clock=clock or ticking(), enforcement=ENFORCEMENT)


BACKENDS = {"sqlite": open_sqlite}


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Return an empty store of each backend in turn."""
    async with BACKENDS[request.param](tmp_path) as opened:
        yield opened
