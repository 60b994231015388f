"""A circuit breaker: who has failed again and again is left alone for a while, before anything is dialled. Pure."""

from __future__ import annotations

from dataclasses import dataclass

SECOND = 1_000_000


@dataclass(slots=True)
class Breaker:
    """Opens after `most` failures in a row, for `rest` microseconds; then one request is let through, and decides.

    Time is in microseconds.
    """

    most: int = 5
    rest: int = 10 * SECOND
    failures: int = 0
    opened: int | None = None
    probing: bool = False
    resting: int = 0
    """The moment until which it asked to be left alone."""

    def permits(self, *, now: int) -> bool:
        """Tell whether a request may be sent; of those that ask when the rest is over, one is told yes."""
        if now < self.resting:
            return False
        if self.opened is None:
            return True
        if self.probing or now < self.opened + self.rest:
            return False
        self.probing = True
        return True

    def succeeded(self) -> None:
        """Close it."""
        self.failures, self.opened, self.probing = 0, None, False

    def failed(self, *, now: int) -> None:
        """Count a failure; open it where these were too many, or the one let through failed."""
        self.failures += 1
        if self.probing or self.failures >= self.most:
            self.opened, self.probing = now, False

    def left(self) -> None:
        """Say of a request that was let through that nothing came of it, good or bad."""
        self.probing = False

    def rests(self, *, until: int) -> None:
        """Leave it alone until a moment, as it asked."""
        self.resting = max(self.resting, until)

    def is_open(self, *, now: int) -> bool:
        """Tell whether requests are refused, for those who only look."""
        return now < self.resting or (self.opened is not None and now < self.opened + self.rest)
