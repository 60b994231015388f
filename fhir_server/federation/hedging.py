"""When a second request is sent beside one that is late: after what 95 of 100 took, for 5 of 100 at most. Pure.

J. Dean, L. A. Barroso, The Tail at Scale: https://research.google/pubs/the-tail-at-scale/.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW = 200
"""Answers whose times are remembered."""

ENOUGH = 40
"""Answers without which nothing is known."""

EVERY = 20
"""Requests of which one may be sent twice."""

MOST_SAVED = 3
"""Second requests that may come together, however many were not needed before."""


@dataclass(slots=True)
class Hedging:
    """What is known of one member. Times are in microseconds."""

    taken: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOW))
    saved: int = 0
    """Requests since the last that was sent twice, up to `MOST_SAVED` times `EVERY`."""

    def began(self) -> None:
        """Count a request."""
        self.saved = min(self.saved + 1, MOST_SAVED * EVERY)

    def answered(self, took: int) -> None:
        """Remember how long an answer took."""
        self.taken.append(took)

    def patience(self) -> int | None:
        """Return how long one request is waited for before a second one; None where none may be sent."""
        if self.saved < EVERY or len(self.taken) < ENOUGH:
            return None
        return sorted(self.taken)[len(self.taken) * 95 // 100]

    def spent(self) -> bool:
        """Take the right to a second request, and tell whether there was one."""
        if self.saved < EVERY:
            return False
        self.saved -= EVERY
        return True
