"""Compare a store with the oracle on random writes and searches, as often as asked for."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.storage import test_inside, test_joins, test_oracle, test_queries
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
    "plans": Kind(test_oracle.writes, test_oracle.asked, test_oracle.compare, test_oracle.SEARCHES),
    "joins": Kind(test_joins.worlds, test_joins.asked, test_joins.compare, test_joins.SEARCHES),
    "queries": Kind(
        test_queries.worlds, test_queries.cases, test_queries.compare, test_queries.SEARCHES
    ),
    "codes": Kind(
        test_oracle.writes_of_measurements,
        test_oracle.asked_of_codes,
        test_oracle.compare,
        test_oracle.SEARCHES,
    ),
    "inside": Kind(
        test_inside.worlds, test_inside.asked, test_inside.compare, test_inside.SEARCHES
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare; return 1 where an answer differs."""
    asked = _arguments(arguments)
    first = secrets.randbits(32) if asked.seed is None else asked.seed
    sys.stdout.write(f"seed {first}\n")
    todo = [*chunks(first, asked.cases, asked.backend)]
    if asked.chunk is not None:
        todo = [each for each in todo if each.number == asked.chunk]
    failed = 0
    with ProcessPoolExecutor(asked.processes) as pool:
        running = {pool.submit(problem_of, each): each for each in todo}
        for chunk, problem in _told(running):
            if problem is not None:
                failed = 1
                again = f"scripts/differential --seed {first} --cases {asked.cases}"
                sys.stdout.write(
                    f"{problem}\nagain: {again} --backend {chunk.backend} --chunk {chunk.number}\n"
                )
    return failed


def _told(running: dict[Future[Problem], Chunk]) -> Iterator[tuple[Chunk, Problem]]:
    """Yield the chunks as they end, and say how far it is."""
    begun, done = monotonic(), 0
    cases = sum(each.cases for each in running.values())
    for each in as_completed(running):
        chunk = running[each]
        done += chunk.cases
        yield chunk, each.result()
        sys.stdout.write(f"{done} of {cases} cases, {monotonic() - begun:.0f} s\n")
        sys.stdout.flush()


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/differential", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="searches [100000]")
    parser.add_argument("--seed", type=int, help="[a random one]")
    parser.add_argument("--processes", type=int, default=2, help="that compare [2]")
    parser.add_argument("--chunk", type=int, help="compare this part of the cases alone")
    parser.add_argument("--backend", choices=[*BACKENDS], default="sqlite", help="[sqlite]")
    asked = parser.parse_args(arguments)
    number = len([*chunks(0, asked.cases, asked.backend)])
    if number == 0:
        parser.error("--cases is a number from 1")
    if asked.chunk is not None and asked.chunk not in range(number):
        parser.error(f"--chunk is a number from 0 to {number - 1} where --cases is {asked.cases}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
