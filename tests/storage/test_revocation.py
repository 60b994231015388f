"""Two processes on one store: what one lays down, the other's next read obeys, in whatever order they come."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.policy.decision import Audience
from fhir_server.search.expression import Plan
from fhir_server.storage.contract import Delete, Put, Store
from tests.storage.conftest import BACKENDS
from tests.storage.test_denials import Model, audiences, done, found, operations, sees

EXAMPLES = {"sqlite": 40, "mongo": 40 if os.environ.get("FHIR_TEST_LONG") else 12}
"""The wire server takes 25 ms for each statement."""

EVERYTHING = Plan(None)
Op = Put | Delete | set[str]


@dataclass(frozen=True)
class Turn:
    """One process writes, and one asks; `together`: at the same time."""

    writer: int
    op: Op
    reader: int
    audience: Audience
    together: bool


turns = st.builds(Turn, st.integers(0, 1), operations, st.integers(0, 1), audiences, st.booleans())


async def check(stores: tuple[Store, Store], model: Model, turn: Turn) -> None:
    """Take a turn; what is read is of before or after a write of the same time, and of nothing else."""
    writer, reader = stores[turn.writer], stores[turn.reader]
    sight = sees(turn.audience)
    before = model.shown(sight)
    model.take(turn.op)
    after = model.shown(sight)
    if turn.together:
        _, shown = await asyncio.gather(done(writer, turn.op), _keys(reader, turn.audience))
        assert shown in (before, after)
    else:
        await done(writer, turn.op)
    assert await found(reader, sight) == after


async def _keys(store: Store, audience: Audience) -> set[str]:
    """Return what one search finds: a count besides it would be of another moment."""
    page = await store.search(sees(audience), EVERYTHING, None, 100)
    return {str(row.stored.key) for row in page.rows}


async def run(backend: str, script: list[Turn]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        async with BACKENDS[backend](path) as one, BACKENDS[backend](path) as other:
            model = Model()
            for turn in script:
                await check((one, other), model, turn)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_one_process_lays_down_the_others_next_read_obeys(backend: str) -> None:
    @settings(max_examples=EXAMPLES[backend])
    @given(script=st.lists(turns, min_size=1, max_size=10))
    def obeyed(script: list[Turn]) -> None:
        asyncio.run(run(backend, script))

    obeyed()
