"""A limit on attempts holds over all processes of a store, on each backend."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fhir_server.auth.server.limiter import SECOND, Limiter
from tests.storage.conftest import BACKENDS, START

LIMIT = Limiter("name", most=3, window=60 * SECOND)


@pytest.mark.parametrize("name", BACKENDS)
async def test_of_many_attempts_at_two_processes_no_more_are_looked_at_than_at_one(
    name: str, tmp_path: Path
) -> None:
    async with BACKENDS[name](tmp_path) as one, BACKENDS[name](tmp_path) as two:
        places = [one.key_values, two.key_values] * 5
        told = await asyncio.gather(*(LIMIT.take(each, "ada", now=START) for each in places))

        assert sorted(told) == [0] * LIMIT.most + [60] * (len(places) - LIMIT.most)
        for each in (one, two):
            assert await LIMIT.wait(each.key_values, "ada", now=START) == 60


@pytest.mark.parametrize("name", BACKENDS)
async def test_a_lock_out_is_over_in_every_process_when_its_time_is(
    name: str, tmp_path: Path
) -> None:
    async with BACKENDS[name](tmp_path) as one, BACKENDS[name](tmp_path) as two:
        for _ in range(LIMIT.most):
            await LIMIT.take(one.key_values, "ada", now=START)

        over = START + LIMIT.window
        assert await LIMIT.take(two.key_values, "ada", now=over - 1) == 1
        assert await LIMIT.take(two.key_values, "ada", now=over) == 0
