"""How much work one statement may cause, and what happens when it is spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import apsw

from fhir_server.fhir.errors import TooCostly

STEPS = 1_000
"""Virtual machine steps of SQLite between two looks at the clock."""

INLINE_SECONDS = 0.004
PATIENT_SECONDS = 10.0


T = TypeVar("T")


class OutOfBudget(Exception):
    """The work takes too long for the event loop."""


class Budget:
    """Stops the statements of one connection when the time of the current work is spent."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._deadline = float("inf")
        connection.set_progress_handler(self._spent, STEPS)

    def _spent(self) -> bool:
        return time.perf_counter() > self._deadline

    def inline(self, work: Callable[[], T]) -> T:
        """Do work that may take a few milliseconds; raise OutOfBudget when they are spent."""
        return self._within(INLINE_SECONDS, work)

    def patient(self, work: Callable[[], T]) -> T:
        """Do work that may take seconds; raise TooCostly when they are spent."""
        try:
            return self._within(PATIENT_SECONDS, work)
        except OutOfBudget:
            message = f"The search took longer than {PATIENT_SECONDS:.0f} seconds: narrow it"
            raise TooCostly(message) from None

    def _within(self, seconds: float, work: Callable[[], T]) -> T:
        self._deadline = time.perf_counter() + seconds
        try:
            return work()
        except apsw.InterruptError:
            raise OutOfBudget from None
        finally:
            self._deadline = float("inf")
