"""Whom a member knows, as it told in marks: trusted for a while, and as of the moment at which it was asked. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from fhir_server.policy.person_marks import KEY, MARK, mark_of

GOOD_FOR = 300 * 1_000_000
"""Microseconds for which it is gone by: then the member is asked about everyone again."""


class BadIndex(ValueError):
    """A member told what is no index of persons; the message says how."""


class _Part(msgspec.Struct, rename="camel"):
    name: str
    value_base64_binary: bytes = msgspec.field(default=b"", name="valueBase64Binary")


class _Parameters(msgspec.Struct):
    parameter: list[_Part] = []


_parameters = msgspec.json.Decoder(_Parameters).decode


@dataclass(frozen=True, slots=True, repr=False)
class PersonIndex:
    """The marks of all NHS numbers that a member knew at the moment `as_of` (us), in order, and their key."""

    as_of: int
    key: bytes
    marks: bytes

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return len(self.marks) // MARK

    def holds(self, number: str) -> bool:
        """Tell whether a number is among them."""
        mark = mark_of(self.key, number)
        place = bisect_left(range(self.count), mark, key=self._at)
        return place < self.count and self._at(place) == mark

    def is_fresh(self, *, now: int) -> bool:
        """Tell whether it is gone by at a moment."""
        return 0 <= now - self.as_of < GOOD_FOR

    def _at(self, place: int) -> bytes:
        return self.marks[place * MARK : (place + 1) * MARK]


def index_in(content: bytes, *, as_of: int) -> PersonIndex:
    """Return the index that a member answered with; raise BadIndex for one that somebody could be missed in."""
    try:
        given = [(each.name, each.value_base64_binary) for each in _parameters(content).parameter]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadIndex("its index of persons is no Parameters resource") from error
    told = dict(given)
    if sorted(name for name, _ in given) != ["key", "marks"] or len(told["key"]) != KEY:
        raise BadIndex("its index of persons has not one key and the marks")
    marks = told["marks"]
    every = (marks[each : each + MARK] for each in range(0, len(marks), MARK))
    if len(marks) % MARK or any(first >= second for first, second in pairwise(every)):
        # What is looked for among them would be passed over.
        raise BadIndex("the marks of its index of persons are cut, or in no order")
    return PersonIndex(as_of, told["key"], marks)
