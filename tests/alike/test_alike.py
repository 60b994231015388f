"""A file and a MongoDB answer the same requests alike: `scripts/alike` asks as often as asked for."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.alike.comparing import compare_world
from tests.noninterference.keeping import in_files
from tests.noninterference.keeping_on_mongo import in_databases

WORLD = 300


def test_a_file_and_a_mongodb_give_the_same_bytes_and_log_the_same() -> None:
    tally = Counter[int]()

    with in_files() as file, in_databases() as database:
        asyncio.run(compare_world((file, database), WORLD, tally))

    assert tally.total() > 100
    assert {200, 400, 403, 404, 412} <= tally.keys()
