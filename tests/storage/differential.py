"""Compare a store with the oracle on random writes and searches, as often as asked for."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.storage import test_joins, test_oracle, test_queries
from tests.storage.conftest import BACKENDS

HISTORIES = 40
"""How many histories of writes a chunk has: each is asked 25 searches."""


class Kind(NamedTuple):
    """What is written, what is asked of it, and what compares the answers."""

    writes: st.SearchStrategy[Any]
    asked: st.SearchStrategy[Any]
    compare: Callable[[str, Any, Any], Awaitable[None]]
    searches: int


KINDS = {
    "plans": Kind(
        test_oracle.histories, test_oracle.asked, test_oracle.compare, test_oracle.SEARCHES
    ),
    "joins": Kind(test_joins.worlds, test_joins.asked, test_joins.compare, test_joins.SEARCHES),
    "queries": Kind(
        test_queries.worlds, test_queries.cases, test_queries.compare, test_queries.SEARCHES
    ),
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some cases of one kind, the same ones for the same seed."""

    number: int
    kind: str
    seed: int
    backend: str

    @property
    def cases(self) -> int:
        """How many searches are compared."""
        return HISTORIES * KINDS[self.kind].searches


Problem: TypeAlias = "str | None"


def chunks(first: int, cases: int, backend: str) -> Iterator[Chunk]:
    """Yield the chunks of a seed, the kinds in turn, until there are enough cases."""
    numbers, names = Random(first), [*KINDS]
    done = number = 0
    while done < cases:
        chunk = Chunk(number, names[number % len(names)], numbers.getrandbits(64), backend)
        yield chunk
        done, number = done + chunk.cases, number + 1


def problem_of(chunk: Chunk) -> Problem:
    """Compare the cases of a chunk; return the smallest one that differs, None if none does."""
    kind = KINDS[chunk.kind]

    @seed(chunk.seed)
    @settings(
        max_examples=HISTORIES, database=None, deadline=None, suppress_health_check=[*HealthCheck]
    )
    @given(kind.writes, kind.asked)
    def compare(written: Any, asked: Any) -> None:
        asyncio.run(_awaited(kind.compare(chunk.backend, written, asked)))

    try:
        compare()
    except Exception:  # noqa: BLE001 - whatever is wrong is told
        return traceback.format_exc()
    return None


async def _awaited(answer: Awaitable[None]) -> None:
    await answer


def main() -> int:
    """Compare; return 1 where an answer differs."""
    given_ = _arguments()
    first = secrets.randbits(32) if given_.seed is None else given_.seed
    sys.stdout.write(f"seed {first}\n")
    todo = [
        each
        for each in chunks(first, given_.cases, given_.backend)
        if given_.chunk is None or each.number == given_.chunk
    ]
    failed = False
    with ProcessPoolExecutor(given_.processes) as pool:
        running = {pool.submit(problem_of, each): each for each in todo}
        for chunk, problem in _told(running, given_.cases):
            if problem is not None:
                failed = True
                again = f"scripts/differential --seed {first} --cases {given_.cases}"
                sys.stdout.write(f"{problem}\nagain: {again} --chunk {chunk.number}\n")
    return int(failed)


def _told(running: dict[Future[Problem], Chunk], cases: int) -> Iterator[tuple[Chunk, Problem]]:
    """Yield the chunks as they end, and say how far it is."""
    begun, done = monotonic(), 0
    for each in as_completed(running):
        chunk = running[each]
        done += chunk.cases
        yield chunk, each.result()
        sys.stdout.write(f"{done} of {cases} cases, {monotonic() - begun:.0f} s\n")
        sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/differential", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="searches [100000]")
    parser.add_argument("--seed", type=int, help="[a random one]")
    parser.add_argument("--processes", type=int, default=2, help="that compare [2]")
    parser.add_argument("--chunk", type=int, help="compare this part of the cases alone")
    parser.add_argument("--backend", choices=[*BACKENDS], default="sqlite", help="[sqlite]")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
