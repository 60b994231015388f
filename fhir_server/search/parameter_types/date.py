"""Dates, as intervals of microseconds: https://hl7.org/fhir/R4/search.html#date.

A value means the whole interval that its precision leaves open. What has no zone is local time of the
server's zone, in resources as in searches, so that a day is the day that people there lived.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import Any, assert_never
from zoneinfo import ZoneInfo

from fhir_server.fhir.fhirpath import Node
from fhir_server.search.expression import Predicate
from fhir_server.search.parameter_types.criterion import (
    Alternatives,
    Criterion,
    Surroundings,
    in_range,
    unescape,
)
from fhir_server.search.parameter_types.entries import Entries, Indexer
from fhir_server.search.parameter_types.prefix import (
    NAMES,
    high,
    low,
    not_within,
    split_prefix,
    within,
)
from fhir_server.search.record import NO_DATE

EARLIEST = NO_DATE
LATEST = 2**62
"""The ends of an interval that is open: below and above every date."""

Interval = tuple[int, int]
"""Its first microsecond, and the first one after it."""

_SECOND = 1_000_000
_DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal()
_FURTHEST_OFFSET = 14 * 3600
_LAST_HOUR, _LAST_MINUTE, _LEAP_SECOND = 23, 59, 60

_TEXT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+\- ]\d\d:\d\d)?)?)?)?\Z",
    re.ASCII,
)


def indexer(code: str, zone: ZoneInfo) -> Indexer:
    """Return what indexes the values of a date parameter."""

    def index(node: Node, entries: Entries) -> None:
        found = _extent(node, zone)
        if found is not None:
            entries.ranges.append((code, *found, ()))

    return index


def _extent(node: Node, zone: ZoneInfo) -> Interval | None:
    """Return the first and the last microsecond of a value."""
    match node.type:
        case "dateTime" | "date" | "instant":
            return _closed(interval(node.value, zone))
        case "Period":
            return _of_period(node.value, zone)
        case "Timing":
            return _of_timing(node.value, zone)
        case _:
            return None


def _closed(found: Interval | None) -> Interval | None:
    return None if found is None else (found[0], found[1] - 1)


def _of_period(period: dict[str, Any], zone: ZoneInfo) -> Interval | None:
    start, end = period.get("start"), period.get("end")
    first = None if start is None else interval(start, zone)
    last = None if end is None else interval(end, zone)
    if first is None and last is None:
        return None
    begin = EARLIEST if first is None else first[0]
    finish = LATEST if last is None else last[1] - 1
    return (begin, finish) if begin <= finish else (finish, begin)


def _of_timing(timing: dict[str, Any], zone: ZoneInfo) -> Interval | None:
    """Return the outer limits of a schedule: its details do not count."""
    events = [interval(each, zone) for each in timing.get("event", ()) if each is not None]
    bounds = timing.get("repeat", {}).get("boundsPeriod")
    found = [_closed(each) for each in events]
    if bounds is not None:
        found.append(_of_period(bounds, zone))
    return _envelope(each for each in found if each is not None)


def _envelope(intervals: Iterable[Interval]) -> Interval | None:
    found = [*intervals]
    if not found:
        return None
    return min(each[0] for each in found), max(each[1] for each in found)


def interval(text: str, zone: ZoneInfo) -> Interval | None:
    """Return what a date or time of any precision covers; None if it is none."""
    found = _TEXT.match(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        first = date(int(year), int(month or 1), int(day or 1)).toordinal()
    except ValueError:
        return None
    if hour is None:
        days = _days(int(year), month, day)
        return _midnight(first, zone), _midnight(first + days, zone)
    seconds = _seconds_of_day(int(hour), int(minute), int(second or 0))
    if seconds is None:
        return None
    shift = _offset_in(first, seconds, zone) if offset is None else _offset(offset)
    if shift is None:
        return None
    micros = 0 if fraction is None else int((fraction + "00000")[:6])
    start = ((first - _EPOCH) * _DAY + seconds - shift) * _SECOND + micros
    return start, start + _length(second, fraction)


def _days(year: int, month: str | None, day: str | None) -> int:
    if day is not None:
        return 1
    if month is not None:
        return calendar.monthrange(year, int(month))[1]
    return 366 if calendar.isleap(year) else 365


def _length(second: str | None, fraction: str | None) -> int:
    if second is None:
        return 60 * _SECOND
    return _SECOND if fraction is None else int(10 ** max(0, 6 - len(fraction)))


def _seconds_of_day(hour: int, minute: int, second: int) -> int | None:
    if hour > _LAST_HOUR or minute > _LAST_MINUTE or second > _LEAP_SECOND:
        return None
    return hour * 3600 + minute * 60 + second


def _offset(text: str) -> int | None:
    if text == "Z":
        return 0
    hours, minutes = int(text[1:3]), int(text[4:])
    seconds = hours * 3600 + minutes * 60
    if seconds > _FURTHEST_OFFSET or minutes > _LAST_MINUTE:
        return None
    # A blank is a plus sign that a client forgot to percent-encode in the URL.
    return -seconds if text[0] == "-" else seconds


@lru_cache(maxsize=4096)
def _midnight(ordinal: int, zone: ZoneInfo) -> int:
    return ((ordinal - _EPOCH) * _DAY - _offset_in(ordinal, 0, zone)) * _SECOND


def _offset_in(ordinal: int, seconds: int, zone: ZoneInfo) -> int:
    """Return how many seconds a zone is ahead of UTC at a local time."""
    day = date.fromordinal(min(ordinal, _LAST_DAY))
    hour, minute = divmod(min(seconds, _DAY - 1) // 60, 60)
    offset = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).utcoffset()
    assert offset is not None
    return offset.days * _DAY + offset.seconds


def parse(criterion: Criterion) -> Predicate:
    """Return what one value of a date parameter asks."""
    criterion.refuse_modifier()
    return in_range(criterion.parameter.code, alternatives(criterion))


def alternatives(criterion: Criterion) -> Alternatives:
    """Return the limits on a stored interval that a prefix and a date ask for.

    https://hl7.org/fhir/R4/search.html#prefix, where the search value covers start <= … < end.
    """
    prefix, text = split_prefix(unescape(criterion.value))
    found = start, end = _asked(criterion, text)
    match prefix:
        case "eq":
            return within(start, end)
        case "ne":
            return not_within(start, end)
        case "gt":
            return ((high(">=", end),),)
        case "lt":
            return ((low("<", start),),)
        case "ge":
            # `gt` or `eq`: what begins inside either ends inside or beyond.
            return ((high(">=", end),), (low(">=", start),))
        case "le":
            return ((low("<", start),), (high("<", end),))
        case "sa":
            return ((low(">=", end),),)
        case "eb":
            return ((high("<", start),),)
        case "ap":
            margin = _margin(found, criterion.around)
            return ((low("<", end + margin), high(">=", start - margin)),)
        case _:
            assert_never(prefix)


def overlapping(criterion: Criterion) -> Alternatives:
    """Return the limits on a stored interval that has a moment in common with a date."""
    start, end = _asked(criterion, criterion.value)
    return ((low("<", end), high(">=", start)),)


def including(criterion: Criterion) -> Alternatives:
    """Return the limits on a stored interval that has all moments of a date."""
    start, end = _asked(criterion, criterion.value)
    return ((low("<=", start), high(">=", end - 1)),)


def _asked(criterion: Criterion, text: str) -> Interval:
    """Return what a date that is asked for covers; raise BadRequest for what is none."""
    found = interval(text, criterion.around.zone)
    if found is None:
        raise criterion.malformed(
            f"`yyyy`, `yyyy-mm`, `yyyy-mm-dd` or `yyyy-mm-ddThh:mm:ss+zz:zz` after one of {NAMES}"
        )
    return found


def alternatives_of_moment(criterion: Criterion) -> Alternatives:
    """Return the limits on a moment: of a point, one half of `ge` and `le` says it all."""
    prefix, _ = split_prefix(criterion.value)
    found = alternatives(criterion)
    return found[-1:] if prefix in {"ge", "le"} else found


def _margin(found: Interval, around: Surroundings) -> int:
    """Return a tenth of the gap between now and a date."""
    start, end = found
    return max(0, around.now - end, start - around.now) // 10
