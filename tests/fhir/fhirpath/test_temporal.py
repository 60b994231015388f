"""Dates and times of any precision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.fhirpath.temporal import Temporal, compare


def moment(text: str) -> Temporal:
    """Return a text as a Time, a Date or a DateTime, as it is written."""
    kind = "Time" if text.startswith("T") else "DateTime" if "T" in text else "Date"
    found = Temporal.parse(kind, text)
    assert found is not None, text
    return found


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Date", ""),
        ("Date", "2020-1"),
        ("Date", "2020-00"),
        ("Date", "2023-02-29"),
        ("Date", "0000"),
        ("Date", "2020-01-01T10"),
        ("DateTime", "2020-01T10"),
        ("DateTime", "2020-01-01T24:00"),
        ("DateTime", "T10"),
        ("Time", "T"),
        ("Time", "T10:61"),
        ("Time", "T10:00Z"),
        ("Time", "2020"),
    ],
)
def test_what_is_not_in_the_calendar_is_no_date(kind: str, text: str) -> None:
    assert Temporal.parse(kind, text) is None


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("2020", "2021", -1),
        ("2020", "2020-05", None),
        ("2020-05", "2021", -1),
        ("2020-01-01T10:00:00", "2020-01-01T10:00:00.0", 0),
        ("2020-01-01T10:00:00.1", "2020-01-01T10:00:00.01", 1),
        ("2020-01-01T10:00:00Z", "2020-01-01T11:00:00+01:00", 0),
        ("2020-01-01T00:30:00+01:00", "2019-12-31T23:30:00Z", 0),
        ("2020-01-01T10:00:00Z", "2020-01-01T12:00:00", None),
        ("2020-01-01T10:00:00Z", "2020-01-03T12:00:00", -1),
        ("2020-01-01", "2020-01-01T12:00:00Z", None),
        ("T10", "T10:00", None),
        ("T10:30", "T11:00", -1),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00", 0),
    ],
)
def test_moments_are_compared_as_far_as_both_are_known(
    left: str, right: str, order: int | None
) -> None:
    assert compare(moment(left), moment(right)) == order
    assert compare(moment(right), moment(left)) == (None if order is None else -order)


@given(st.dates().map(str) | st.datetimes().map(lambda when: when.isoformat()))
def test_a_moment_is_written_as_it_was_read(text: str) -> None:
    assert str(moment(text)) == text


@given(st.datetimes(), st.datetimes())
def test_the_order_is_that_of_the_calendar(one: object, other: object) -> None:
    left, right = str(one).replace(" ", "T"), str(other).replace(" ", "T")

    assert compare(moment(left), moment(right)) == (str(one) > str(other)) - (str(one) < str(other))
