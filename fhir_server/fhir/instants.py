"""Moments as FHIR instants and HTTP dates.

A moment is in microseconds since 1970 (UTC): https://hl7.org/fhir/R4/datatypes.html#instant,
https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EPOCH = date(1970, 1, 1).toordinal()
_FRACTIONS = tuple(f"{thousandths:03}Z" for thousandths in range(1000))
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def instant(moment: int) -> str:
    """Return a moment as an instant in milliseconds: `2026-11-23T05:41:56.123Z`."""
    second, fraction = divmod(moment, _SECOND)
    return _second(second) + _FRACTIONS[fraction // 1000]


def http_date(moment: int) -> str:
    """Return a moment as an HTTP date, in whole seconds: `Mon, 23 Nov 2026 05:41:56 GMT`."""
    day, rest = divmod(moment, _DAY)
    minutes, seconds = divmod(rest // _SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{_http_day(day)} {hours:02}:{minutes:02}:{seconds:02} GMT"


def parse_http_date(text: str) -> int | None:
    """Return the moment of an HTTP date in any of its three forms; None if it is none of them."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # The oldest form, that of asctime, names no zone: it is always UTC.
    zoned = found if found.tzinfo else found.replace(tzinfo=UTC)
    since = zoned - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * _SECOND


@lru_cache(maxsize=4096)
def _second(number: int) -> str:
    minute, seconds = divmod(number, 60)
    return f"{_minute(minute)}{seconds:02}."


@lru_cache(maxsize=4096)
def _minute(number: int) -> str:
    day, minutes = divmod(number, 1440)
    hours, minutes = divmod(minutes, 60)
    return f"{date.fromordinal(_EPOCH + day).isoformat()}T{hours:02}:{minutes:02}:"


@lru_cache(maxsize=1024)
def _http_day(number: int) -> str:
    day = date.fromordinal(_EPOCH + number)
    return f"{_WEEKDAYS[day.weekday()]}, {day.day:02} {_MONTHS[day.month - 1]} {day.year:04}"
