"""Days and London times as FHIR writes them, without asking a time zone database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

_SATURDAY = 5


def at(day: date, hour: int, minute: int = 0) -> str:
    """Return a London wall-clock time with its offset: 2026-07-01T09:00:00+01:00."""
    return f"{day.isoformat()}T{hour:02}:{minute:02}:00{_offset(day)}"


def days_before(day: date, count: int) -> date:
    """Return the date so many days earlier."""
    return day - timedelta(days=count)


def workdays_after(day: date, count: int) -> Iterator[date]:
    """Yield the next days from Monday to Friday."""
    while count:
        day += timedelta(days=1)
        if day.weekday() < _SATURDAY:
            yield day
            count -= 1


def _offset(day: date) -> str:
    # British Summer Time: it changes at 01:00, before anything here happens.
    summer = _last_sunday(day.year, 3) <= day < _last_sunday(day.year, 10)
    return "+01:00" if summer else "+00:00"


@lru_cache(maxsize=128)
def _last_sunday(year: int, month: int) -> date:
    end = date(year, month, 31)
    return end - timedelta(days=(end.weekday() + 1) % 7)
