"""Dates and times of any precision: https://hl7.org/fhirpath/N1/#time-valued-quantities.

What is compared is what both sides say: where one is less precise, the answer may be unknown (None).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

_PATTERN = re.compile(
    r"(?:(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?)?"
    r"(?P<t>T(?:(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?)?\Z"
)
_LIMITS = ((1, 9999), (1, 12), (1, 31), (0, 23), (0, 59), (0, 60))
_FARTHEST = timedelta(hours=14)
"""No two clocks of the world are farther apart than this from the universal time."""

YEAR, MONTH, DAY, HOUR, MINUTE, SECOND = range(6)


@dataclass(frozen=True, slots=True)
class Temporal:
    """A Date, DateTime or Time, as precise as it was written.

    `parts` are year, month, day, hour, minute, second (of a Time from the hour on); `fraction` holds the digits
    after the second; `offset` is in minutes, None where no zone was given.
    """

    kind: str
    parts: tuple[int, ...]
    fraction: str = ""
    offset: int | None = None

    @classmethod
    def parse(cls, kind: str, text: str) -> Temporal | None:
        """Return the value of a text, None if it is not of that kind."""
        found = _parse(text)
        if found is None:
            return None
        if kind == "Time":
            return found if found.kind == "Time" and found.offset is None else None
        if found.kind == "Time" or (kind == "Date" and found.kind == "DateTime"):
            return None
        return replace(found, kind=kind)

    @property
    def start(self) -> int:
        """The place of the first part: a Time begins with the hour."""
        return HOUR if self.kind == "Time" else YEAR

    @property
    def precision(self) -> int:
        """The place of the last part: `YEAR` to `SECOND`."""
        return self.start + len(self.parts) - 1

    def __str__(self) -> str:
        date = "" if self.kind == "Time" else _joined("-", self.parts[:3])
        clock = self.parts if self.kind == "Time" else self.parts[3:]
        text = date + ("T" if clock and date else "") + _joined(":", clock)
        return text + ("." + self.fraction if self.fraction else "") + _zone(self.offset)

    def universal(self) -> Temporal:
        """Return the same moment on the universal clock, where the zone is known."""
        if not self.offset or self.precision < HOUR or self.kind == "Time":
            return self
        padded = (*self.parts, 0)[:5]
        try:
            moment = datetime(*padded) - timedelta(minutes=self.offset)  # type: ignore[arg-type]  # noqa: DTZ001 - the offset is applied here
        except OverflowError:
            return self
        parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute)
        kept = parts if self.precision >= MINUTE or self.offset % 60 else parts[:4]
        return replace(self, parts=(*kept, *self.parts[5:]), offset=0)


def compare(left: Temporal, right: Temporal) -> int | None:
    """Return -1, 0 or 1; None where the less precise of the two leaves it open."""
    if (left.offset is None) != (right.offset is None) and min(
        left.precision, right.precision
    ) > DAY:
        return _compare_across_zones(left, right)
    one, other = left.universal(), right.universal()
    for a, b in zip(one.parts, other.parts, strict=False):
        if a != b:
            return -1 if a < b else 1
    if len(one.parts) != len(other.parts):
        return None
    a_digits, b_digits = one.fraction.rstrip("0"), other.fraction.rstrip("0")
    return (a_digits > b_digits) - (a_digits < b_digits)


def _compare_across_zones(left: Temporal, right: Temporal) -> int | None:
    """Decide only what holds wherever on earth the one without a zone was written."""
    one, other = _clock(left.universal()), _clock(right.universal())
    if abs(one - other) <= _FARTHEST:
        return None
    return -1 if one < other else 1


def _clock(moment: Temporal) -> datetime:
    year, month, day, hour, minute = (*moment.parts, 0)[:5]
    return datetime(year, month, day, hour, minute)  # noqa: DTZ001 - compared with its like


@lru_cache(maxsize=4096)
def _parse(text: str) -> Temporal | None:
    match = _PATTERN.match(text)
    if match is None or not text:
        return None
    names = ("year", "month", "day", "hour", "minute", "second")
    parts = tuple(int(match[name]) for name in names if match[name] is not None)
    fraction = match["fraction"] or ""
    if match["year"] is None:
        found = Temporal("Time", parts, fraction, _offset(match["zone"]))
        return found if parts and _possible(found) else None
    if match["hour"] is not None and match["day"] is None:
        return None
    kind = "Date" if match["t"] is None else "DateTime"
    found = Temporal(kind, parts, fraction, _offset(match["zone"]))
    return found if _possible(found) else None


def _possible(moment: Temporal) -> bool:
    limits = _LIMITS[moment.start :]
    if any(
        not low <= part <= high for part, (low, high) in zip(moment.parts, limits, strict=False)
    ):
        return False
    return moment.precision < DAY or moment.start == HOUR or _exists(*moment.parts[:3])


def _exists(year: int, month: int, day: int) -> bool:
    return day <= days_of(year, month)


def days_of(year: int, month: int) -> int:
    """Return how many days a month has."""
    if month == 2:  # noqa: PLR2004 - February
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


def _zone(offset: int | None) -> str:
    if offset is None:
        return ""
    if offset == 0:
        return "Z"
    sign = "-" if offset < 0 else "+"
    hours, minutes = divmod(abs(offset), 60)
    return f"{sign}{hours:02}:{minutes:02}"


def _joined(separator: str, parts: tuple[int, ...]) -> str:
    # The year is the only part with four digits, and the only one that may be joined by a hyphen first.
    first = f"{parts[0]:04}" if separator == "-" and parts else ""
    rest = parts[1:] if first else parts
    return separator.join(([first] if first else []) + [f"{each:02}" for each in rest])
