"""Where a large population's chances, days and serial numbers come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate, count
from random import Random
from typing import TypeVar

from fhir_server.demonstration.moments import at

_TEN_YEARS = 3652

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """The generator that all draws come from, in one order."""

    draw: Random
    today: date
    serials: Iterator[int] = field(default_factory=lambda: count(1))

    def pick(self, values: Sequence[T]) -> T:
        """Return one of the values, the first ones more often."""
        return self.draw.choices(values, cum_weights=falling(len(values)))[0]

    def number(self, most: int) -> int:
        """Return a number from 1, the low ones more often."""
        return self.pick(range(1, most + 1))

    def day(self) -> date:
        """Return one of the days of the last ten years."""
        return self.today - timedelta(days=int(self.draw.random() * _TEN_YEARS))

    def moment(self) -> str:
        """Return a time in the working hours of such a day."""
        return at(self.day(), 8 + int(self.draw.random() * 10), int(self.draw.random() * 60))


@lru_cache(maxsize=128)
def falling(size: int) -> Sequence[float]:
    """Return cumulative weights after Zipf: the n-th value comes 1/n times as often as the first."""
    return tuple(accumulate(1 / rank for rank in range(1, size + 1)))
