"""The order of a page, total in every case. Pure.

Without `_sort`: the newest primary date first, then the latest created. With it: by its keys, what has no
value last in both directions, and equals by creation, in the direction of the first key.
https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import total_ordering

from fhir_server.search.expression import SortKey

SortValue = int | str | None

PRIMARY = "primary"
"""The kind of a sort key that is the resource's primary date: its posting lists are in this order."""

NATURAL = (SortKey("", PRIMARY, descending=True),)
"""The order without `_sort`."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Where a resource stands: its value for each sort key, then its surrogate id."""

    keys: tuple[SortKey, ...]
    values: tuple[SortValue, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Order) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)

    def __lt__(self, other: Order) -> bool:
        for number, (mine, theirs) in enumerate(zip(self.values, other.values, strict=True)):
            if mine == theirs:
                continue
            if mine is None or theirs is None:
                return theirs is None
            key = self.keys[number] if number < len(self.keys) else self.keys[0]
            smaller = mine < theirs  # type: ignore[operator]
            return smaller != key.descending
        return False
