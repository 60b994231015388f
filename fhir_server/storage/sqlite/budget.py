"""How much work one search may cause, and what happens when it is spent.

A search is bounded by time, by steps and by the matches it holds here, by what its chains ask of other resources in
`joining`, and by what it sorts at once in `ranging` and `sorting`: beyond that it is refused, and says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

import apsw

from fhir_server.fhir.errors import TooCostly

STEPS = 1_000
"""Virtual machine steps of SQLite between two looks at the clock; a row of an index takes three to thirty."""

MOST_STEPS = 1_000_000_000
"""Steps of one search, however long it may take: some hundred million rows."""

_AT_ONCE = 10_000

INLINE_SECONDS = 0.004
PATIENT_SECONDS = 10.0
WRITING_SECONDS = 0.25
"""How long the criteria of a write may be searched for: all writers wait meanwhile, and the event loop too."""


MOST_HELD = 1_000_000
"""Resources that one search holds at once, to sort or to count them."""

T = TypeVar("T")


class OutOfBudget(Exception):
    """The work takes too long for the event loop."""


class Budget:
    """Stops the statements of one connection when the time or the steps of the current work are spent."""

    def __init__(self, connection: apsw.Connection, *, seconds: float = PATIENT_SECONDS) -> None:
        self._connection = connection
        self._seconds = seconds
        self._deadline = float("inf")
        self._looks = 0
        self._is_working = False
        connection.set_progress_handler(self._spent, STEPS)

    def _spent(self) -> bool:
        self._looks += 1
        return self._is_working and self._is_over()

    def _is_over(self) -> bool:
        return time.perf_counter() > self._deadline or self._looks * STEPS > MOST_STEPS

    def inline(self, work: Callable[[], T]) -> T:
        """Do work that may take a few milliseconds; raise OutOfBudget when they are spent."""
        return self._within(INLINE_SECONDS, work)

    def patient(self, work: Callable[[], T], told: Callable[[], str]) -> T:
        """Do work that may take seconds; raise TooCostly, with what is `told` then, when they are spent."""
        try:
            return self._within(self._seconds, work)
        except OutOfBudget:
            much = f"took longer than {self._seconds:g} seconds"
            if self._looks * STEPS > MOST_STEPS:
                much = f"took more than {MOST_STEPS} steps of the database"
            raise TooCostly(f"The search {much}: {told()}") from None

    def _within(self, seconds: float, work: Callable[[], T]) -> T:
        was_open = self._connection.in_transaction
        self._looks = 0
        self._deadline = time.perf_counter() + seconds
        self._is_working = True
        try:
            return work()
        except apsw.InterruptError:
            raise OutOfBudget from None
        finally:
            self._is_working = False
            if self._connection.in_transaction and not was_open:
                # Else all that is read on this connection from now on would be of the old moment.
                self._connection.execute("ROLLBACK")


def held(found: Iterable[T]) -> set[T]:
    """Return all of what is found, each once; raise TooCostly for more than may be held."""
    kept: set[T] = set()
    waiting = iter(found)
    while some := list(islice(waiting, _AT_ONCE)):
        kept.update(some)
        if len(kept) > MOST_HELD:
            raise TooCostly(
                f"The search would hold more than {MOST_HELD} matches at once: "
                "name a value that few resources have, or ask without a total"
            )
    return kept


def while_writing(connection: apsw.Connection, work: Callable[[], T], told: Callable[[], str]) -> T:
    """Search for the criteria of a write on the writer's connection; raise TooCostly.

    It has no budget but here: what writes without criteria is not looked at.
    """
    try:
        return Budget(connection, seconds=WRITING_SECONDS).patient(work, told)
    finally:
        connection.set_progress_handler(None)
