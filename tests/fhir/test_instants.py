"""Moments as text: floors to the unit that is written, before 1970 too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.instants import http_date, instant, parse_http_date

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(-60_000_000_000_000_000, 250_000_000_000_000_000)
# In an HTTP date, 0099 is read as a year of two digits.
SINCE_THE_YEAR_1000 = st.integers(-30_610_224_000_000_000, 250_000_000_000_000_000)


@pytest.mark.parametrize(
    "text",
    ["", "now", "1", "Sun, 36 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 99999999999 08:49:37 GMT"],
)
def test_what_is_no_http_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 09:49:37 +0100",
    ],
)
def test_each_form_of_an_http_date_is_the_same_moment(text: str) -> None:
    assert parse_http_date(text) == 784_111_777_000_000


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_412_516_123_999, "2026-11-23T05:41:56.123Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_an_instant_is_in_whole_milliseconds(moment: int, text: str) -> None:
    assert instant(moment) == text


@given(MOMENTS)
def test_an_instant_is_what_the_calendar_says(moment: int) -> None:
    expected = (EPOCH + timedelta(microseconds=moment)).isoformat(timespec="milliseconds")

    assert instant(moment) == expected.replace("+00:00", "Z")


@given(SINCE_THE_YEAR_1000)
def test_an_http_date_is_what_the_calendar_says_and_is_read_back(moment: int) -> None:
    text = http_date(moment)

    assert text == format_datetime(EPOCH + timedelta(microseconds=moment), usegmt=True)
    assert parse_http_date(text) == moment // 1_000_000 * 1_000_000
