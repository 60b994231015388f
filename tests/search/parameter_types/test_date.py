"""What a date of any precision covers: https://hl7.org/fhir/R4/search.html#date."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from fhir_server.search.parameter_types.date import interval
from tests.search.support import micros

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20",
        "20200101",
        "2020-1-1",
        "2020-13",
        "2020-02-30",
        "0000-01-01",
        "2020-01-01T",
        "2020-01-01T24:00",
        "2020-01-01T10:60",
        "2020-01-01T10:00:61Z",
        "2020-01-01T10:00Zx",
        "2020-01-01T10:00+14:01",
        "2020-01-01T10:00+10:60",
        "2020-01-01 10:00",
        "\uff12\uff10\uff12\uff10",
        "2020-01-01T10:00:00.Z",
        "10:00",
        "-2020",
    ],
)
def test_what_is_no_date_covers_nothing(text: str) -> None:
    assert interval(text, LONDON) is None


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2020", "2020-01-01T00:00:00+00:00", "2021-01-01T00:00:00+00:00"),
        ("2020-02", "2020-02-01T00:00:00+00:00", "2020-03-01T00:00:00+00:00"),
        ("2020-12", "2020-12-01T00:00:00+00:00", "2021-01-01T00:00:00+00:00"),
        ("2020-07", "2020-07-01T00:00:00+01:00", "2020-08-01T00:00:00+01:00"),
        ("2020-02-29", "2020-02-29T00:00:00+00:00", "2020-03-01T00:00:00+00:00"),
        ("2020-03-29", "2020-03-29T00:00:00+00:00", "2020-03-30T00:00:00+01:00"),
        ("2020-10-25", "2020-10-25T00:00:00+01:00", "2020-10-26T00:00:00+00:00"),
        ("2020-07-01T10:00", "2020-07-01T10:00:00+01:00", "2020-07-01T10:01:00+01:00"),
        ("2020-07-01T10:00:05", "2020-07-01T10:00:05+01:00", "2020-07-01T10:00:06+01:00"),
        ("2020-07-01T10:00:05Z", "2020-07-01T10:00:05+00:00", "2020-07-01T10:00:06+00:00"),
        ("2020-07-01T10:00:05-05:30", "2020-07-01T10:00:05-05:30", "2020-07-01T10:00:06-05:30"),
        ("2020-07-01T10:00:05.5Z", "2020-07-01T10:00:05.500000+00:00", "2020-07-01T10:00:05.600000+00:00"),
        ("2020-07-01T10:00:05.123456789Z", "2020-07-01T10:00:05.123456+00:00", "2020-07-01T10:00:05.123457+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00", "2017-01-01T00:00:01+00:00"),
        ("1969-12-31", "1969-12-31T00:00:00+01:00", "1970-01-01T00:00:00+01:00"),
    ],
)  # fmt: skip
def test_a_date_covers_what_its_precision_leaves_open(text: str, start: str, end: str) -> None:
    assert interval(text, LONDON) == (micros(start), micros(end))


def test_the_calendar_has_an_end_that_can_be_searched() -> None:
    last = interval("9999-12-31", LONDON)
    first = interval("0001-01-01", LONDON)

    assert last is not None
    assert first is not None
    assert last[1] - last[0] == 86_400 * 1_000_000
    assert first < last


def test_another_zone_has_other_days() -> None:
    assert interval("2020-01-01", ZoneInfo("Asia/Tokyo")) == (
        micros("2020-01-01T00:00:00+09:00"),
        micros("2020-01-02T00:00:00+09:00"),
    )
