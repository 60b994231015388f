"""The marks of very many NHS numbers in order, made on a thread beside an event loop."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

WORKS_FOR = 0.002
"""Seconds after which a thread that computes gives way."""

GIVES_WAY_FOR = 0.001
"""Seconds for which it does: enough for others to answer a request."""


def giving_way(items: Iterable[T]) -> Iterator[T]:
    """Yield items on a thread, which sleeps now and then.

    A thread that only computes takes the interpreter back each time that another one waits for a disk or a socket, and
    keeps it for 5 ms: a write, with forty such moments, took 200 ms beside it.
    """
    until = time.perf_counter() + WORKS_FOR
    for each in items:
        yield each
        if time.perf_counter() > until:
            time.sleep(GIVES_WAY_FOR)
            until = time.perf_counter() + WORKS_FOR


def in_order(marks: Iterable[bytes]) -> list[bytes]:
    """Return marks, each once, in the order of their bytes."""
    return [each for run in runs(marks) for each in run]


def runs(marks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Give marks, each once, in runs that follow one another: one for each first byte.

    One sort holds the interpreter from its beginning to its end, on a thread as well: of 900,000 marks for most of a
    second. Marks are digests, so that each run has a 256th part of them.
    """
    # No sets: the garbage collector looks at each element of these, and at none of a dict of texts or bytes.
    found: list[dict[bytes, None]] = [{} for _ in range(256)]
    for each in marks:
        found[each[0]][each] = None
    yield from giving_way(map(sorted, found))
