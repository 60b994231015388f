"""Asks a file and a MongoDB the same as often as asked for: `scripts/alike --help`."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter

from tests.alike.comparing import Different, compare_world
from tests.noninterference.keeping import in_files
from tests.noninterference.keeping_on_mongo import in_databases
from tests.support import mongo


def main() -> int:
    """Return 1 where an answer differs."""
    parser = argparse.ArgumentParser(prog="scripts/alike", description=__doc__)
    parser.add_argument("--worlds", type=int, default=100, help="some 130 answers each [100]")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    asked = parser.parse_args()
    tally = Counter[int]()
    try:
        with in_files() as file, in_databases() as database:
            for world in range(asked.seed, asked.seed + asked.worlds):
                try:
                    asyncio.run(compare_world((file, database), world, tally))
                except Different as difference:
                    print(f"scripts/alike --worlds 1 --seed {world}{difference}")  # noqa: T201 - a command
                    return 1
    finally:
        mongo.end_shared()
    told = f"{asked.worlds} worlds from seed {asked.seed}: {tally.total()} answers are the same"
    print(f"{told}; statuses {dict(sorted(tally.items()))}")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
