"""The order of a page, total in every case. Pure.

Without `_sort`: the newest primary date first, then the latest created: page order. With it: by its keys, what has no
value last in both directions, and equals in page order. Where the primary date is a key, what is of the
same date stands by creation, in the direction of that key.
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

UNSORTABLE = frozenset(("composite", "special"))
"""Types of parameters that have no one order."""


def completed(keys: tuple[SortKey, ...]) -> tuple[SortKey, ...]:
    """Return the keys with those that order what they leave equal: the primary date is always one.

    What comes a second time orders nothing.
    """
    kept: dict[str, SortKey] = {}
    for each in keys:
        kept.setdefault(PRIMARY if each.kind == PRIMARY else each.parameter, each)
    first = tuple(kept.values())
    return first if primary_key(first) else first + NATURAL


def primary_key(keys: tuple[SortKey, ...]) -> SortKey | None:
    """Return the key that is the primary date."""
    return next((each for each in keys if each.kind == PRIMARY), None)


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Where a resource stands: its value for each of the `completed` keys, then its surrogate id.

    Where contained resources are found by themselves, what tells them apart follows: the resource itself 0, then
    -1, -2 …, which stand in this order whatever the keys say.
    """

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
            smaller = mine < theirs  # type: ignore[operator]
            return smaller != self._falls(number)
        return False

    def _falls(self, number: int) -> bool:
        """Tell whether the greatest of these values come first."""
        if number > len(self.keys):
            return True
        key = self.keys[number] if number < len(self.keys) else primary_key(self.keys)
        return key is not None and key.descending
