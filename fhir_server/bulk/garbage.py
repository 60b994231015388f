"""Python's look for cyclic garbage, made seldom while many resources pass through a process.

What they leave is freed at once, as hardly anything refers back to what it is referred to by; but each look costs as
much as there is: https://docs.python.org/3/library/gc.html#gc.set_threshold.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

CONTAINERS = 500_000
"""By how many more objects there have to be for a look: many times what a group of resources has."""


def collect_seldom() -> None:
    """Look seldom from now on, in a process that does nothing else."""
    gc.set_threshold(CONTAINERS)


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Look seldom for as long as this lasts."""
    before = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*before)
