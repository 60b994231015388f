"""How much work one statement may cause, and what happens when it is spent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from fhir_server.fhir.errors import TooCostly

STEPS = 1_000
"""Virtual machine steps of SQLite between two looks at the clock."""

INLINE_SECONDS = 0.004
PATIENT_SECONDS = 10.0


class OutOfBudget(Exception):
    """The work takes too long for the event loop."""


class Budget:
    """Stops the statements of one connection when the time of the current work is spent."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._deadline = float("inf")
        connection.set_progress_handler(self._spent, STEPS)

    def _spent(self) -> bool:
        return time.perf_counter() > self._deadline

    @contextmanager
    def inline(self) -> Iterator[None]:
        """Give the work a few milliseconds; raise OutOfBudget when they are spent."""
        with self._until(INLINE_SECONDS, OutOfBudget()):
            yield

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Give the work seconds; raise TooCostly when they are spent."""
        message = f"The search took longer than {PATIENT_SECONDS:.0f} seconds: narrow it"
        with self._until(PATIENT_SECONDS, TooCostly(message)):
            yield

    @contextmanager
    def _until(self, seconds: float, error: Exception) -> Iterator[None]:
        self._deadline = time.perf_counter() + seconds
        try:
            yield
        except apsw.InterruptError:
            raise error from None
        finally:
            self._deadline = float("inf")
