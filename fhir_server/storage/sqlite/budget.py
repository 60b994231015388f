"""How much work one search may cause, and what happens when it is spent.

A search is bounded by time and by steps here, by what its chains ask of other resources in `joining`, and by the rows
that are held at once in `planning` (GATHER) and `walking` (GATHERED): beyond that it is refused, and says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import apsw

from fhir_server.fhir.errors import TooCostly

STEPS = 1_000
"""Virtual machine steps of SQLite between two looks at the clock; a row of an index takes three to thirty."""

MOST_STEPS = 1_000_000_000
"""Steps of one search, however long it may take: some hundred million rows."""

INLINE_SECONDS = 0.004
PATIENT_SECONDS = 10.0
WRITING_SECONDS = 0.25
"""How long the criteria of a write may be searched for: all writers wait meanwhile, and the event loop too."""


T = TypeVar("T")


class OutOfBudget(Exception):
    """The work takes too long for the event loop."""


class Budget:
    """Stops the statements of one connection when the time or the steps of the current work are spent."""

    def __init__(self, connection: apsw.Connection, *, seconds: float = PATIENT_SECONDS) -> None:
        self._seconds = seconds
        self._deadline = float("inf")
        self._looks = 0
        connection.set_progress_handler(self._spent, STEPS)

    def _spent(self) -> bool:
        self._looks += 1
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
        self._looks = 0
        self._deadline = time.perf_counter() + seconds
        try:
            return work()
        except apsw.InterruptError:
            raise OutOfBudget from None
        finally:
            self._deadline = float("inf")


def while_writing(connection: apsw.Connection, work: Callable[[], T], told: Callable[[], str]) -> T:
    """Search for the criteria of a write on the writer's connection; raise TooCostly.

    It has no budget but here: what writes without criteria is not looked at.
    """
    try:
        return Budget(connection, seconds=WRITING_SECONDS).patient(work, told)
    finally:
        connection.set_progress_handler(None)
