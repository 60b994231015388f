"""When a request may be sent twice, and how long a member asks to be left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.federation.hedging import ENOUGH, EVERY, MOST_SAVED, WINDOW, Hedging
from fhir_server.federation.pausing import LONGEST, SECOND, pause_of

DAY = 24 * 3600 * SECOND


@given(st.lists(st.booleans(), max_size=400))
def test_no_more_than_one_request_in_twenty_is_ever_sent_twice(late: list[bool]) -> None:
    hedging, sent = Hedging(), 0
    for number, each in enumerate(late, 1):
        hedging.began()
        sent += each and hedging.spent()
        assert sent <= number / EVERY


@given(st.integers(0, 10_000))
def test_what_was_not_needed_long_ago_does_not_come_all_at_once(requests: int) -> None:
    hedging = Hedging()
    for _ in range(requests):
        hedging.began()
    assert sum(hedging.spent() for _ in range(100)) == min(requests // EVERY, MOST_SAVED)


@given(st.lists(st.integers(0, 10**9), min_size=ENOUGH, max_size=2 * WINDOW))
def test_patience_is_what_nearly_all_of_the_latest_took(taken: list[int]) -> None:
    hedging = Hedging(saved=EVERY)
    for each in taken:
        hedging.answered(each)
    patience, latest = hedging.patience(), taken[-WINDOW:]
    assert patience is not None
    assert sum(each > patience for each in latest) <= len(latest) / 20
    assert sum(each >= patience for each in latest) >= len(latest) / 20


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("Fri, 02 Jan 1970 00:00:05 GMT", 5),
        ("Friday, 02-Jan-70 00:00:05 GMT", 5),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sun, 02 Jan 2970 00:00:00 GMT", LONGEST // SECOND),
        ("9" * 400, LONGEST // SECOND),
    ],
)
def test_a_pause_is_a_number_of_seconds_or_a_date(told: str, seconds: int) -> None:
    assert pause_of(told, now=DAY) == seconds * SECOND


@pytest.mark.parametrize(
    "told", ["", "soon", "-1", "1.5", "٣", "²", "Fri, 99 Jan 1970 00:00:05 GMT"]
)
def test_what_is_neither_is_told_from_both(told: str) -> None:
    assert pause_of(told, now=DAY) is None
