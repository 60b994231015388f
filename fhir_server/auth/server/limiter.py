"""A limit on failed attempts, by whatever tells who tries: a name, a client, an address.

Each process counts for itself: a node of several workers allows as many times more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

SECOND = 1_000_000
MOST_KEYS = 10_000


@dataclass(slots=True)
class Limiter:
    """After `most` failures within `window` microseconds a key waits until the oldest of them is that long ago."""

    most: int = 10
    window: int = 300 * SECOND
    _failures: dict[str, deque[int]] = field(default_factory=dict)

    def wait(self, keys: Iterable[str], *, now: int) -> int:
        """Return the seconds until an attempt under all these keys is looked at: 0, at once."""
        return max((self._wait(each, now) for each in keys), default=0)

    def failed(self, keys: Iterable[str], *, now: int) -> None:
        """Count a failure under each of these keys."""
        for key in keys:
            failures = self._failures.pop(key, None) or deque(maxlen=self.most)
            failures.append(now)
            if len(self._failures) >= MOST_KEYS:
                # The one that has not failed for the longest time.
                del self._failures[next(iter(self._failures))]
            self._failures[key] = failures

    def succeeded(self, key: str) -> None:
        """Forget the failures of a key: for one that names who it is, never for an address."""
        self._failures.pop(key, None)

    def _wait(self, key: str, now: int) -> int:
        failures = self._failures.get(key)
        if failures is None or len(failures) < self.most:
            return 0
        left = failures[0] + self.window - now
        return max(0, -(-left // SECOND))
