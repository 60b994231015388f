"""London times carry the offset that the day has."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.demonstration.moments import at, workdays_after


@given(st.dates(date(2000, 1, 1), date(2036, 12, 31)), st.integers(2, 23), st.integers(0, 59))
def test_a_london_time_has_the_offset_of_the_time_zone_database(
    day: date, hour: int, minute: int
) -> None:
    expected = datetime(
        day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo("Europe/London")
    )

    assert at(day, hour, minute) == expected.isoformat()


def test_workdays_leave_out_the_weekend() -> None:
    friday = date(2026, 11, 20)

    days = list(workdays_after(friday, 6))

    assert days == [friday + timedelta(days=after) for after in (3, 4, 5, 6, 7, 10)]
