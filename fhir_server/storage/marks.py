"""The marks of very many NHS numbers in order, made on a thread beside an event loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def in_order(marks: Iterable[bytes]) -> list[bytes]:
    """Return marks, each once, in the order of their bytes."""
    return [each for run in runs(marks) for each in run]


def runs(marks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Give marks, each once, in runs that follow one another: one for each first byte.

    One sort holds the interpreter from its beginning to its end, on a thread as well: of 900,000 marks for most of a
    second. Marks are digests, so that each run has a 256th part of them.
    """
    found: list[set[bytes]] = [set() for _ in range(256)]
    for each in marks:
        found[each[0]].add(each)
    yield from map(sorted, found)
