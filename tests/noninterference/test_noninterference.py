"""What a caller may not see makes no difference: the same bytes as from a store that has nothing else."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.noninterference.comparing import STATUSES, Tally, compare_world
from tests.noninterference.keeping_on_mongo import KEEPING

SHARES = 4
SCRIPTS = 10_000 if os.environ.get("FHIR_TEST_LONG") else 1_000
"""`scripts/noninterference` runs as many as asked for."""

ON_MONGO = SCRIPTS // 10
"""The wire server takes ten times as long: one world, with callers who write, too."""

CASES = [
    *(("sqlite", SCRIPTS // SHARES, share * 1_000_000) for share in range(SHARES)),
    ("mongo", ON_MONGO, 16),
]
"""Stores, how many scripts, and the first world."""


@pytest.mark.parametrize(("store", "scripts", "world"), CASES)
def test_what_is_hidden_makes_no_difference_to_any_answer(
    store: str, scripts: int, world: int
) -> None:
    tally = Tally()
    with KEEPING[store]() as keep:
        while tally.scripts < scripts:
            asyncio.run(compare_world(keep, world, tally, lambda: None))
            world += 1

    # That there is something to hide, and that what is asked for is served.
    assert tally.hidden > tally.scripts // 2
    assert tally.events > 0
    assert {200, 403, 404} <= tally.statuses <= STATUSES
    assert tally.statuses & {201, 204}
