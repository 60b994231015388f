"""A breaker opens after failures in a row, and lets one request through when it has rested."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.federation.breaker import SECOND, Breaker


def opened(*, now: int = 0) -> Breaker:
    breaker = Breaker(most=3, rest=10 * SECOND)
    for _ in range(3):
        breaker.failed(now=now)
    return breaker


def test_it_refuses_until_it_has_rested() -> None:
    breaker = opened()
    assert not breaker.permits(now=0)
    assert not breaker.permits(now=10 * SECOND - 1)
    assert breaker.permits(now=10 * SECOND)


def test_one_request_alone_is_let_through() -> None:
    breaker = opened()
    assert [breaker.permits(now=11 * SECOND) for _ in range(3)] == [True, False, False]


def test_the_one_that_fails_opens_it_again_and_the_one_that_succeeds_closes_it() -> None:
    breaker = opened()
    assert breaker.permits(now=11 * SECOND)
    breaker.failed(now=11 * SECOND)
    assert not breaker.permits(now=20 * SECOND)
    assert breaker.permits(now=21 * SECOND)
    breaker.succeeded()
    assert [breaker.permits(now=21 * SECOND) for _ in range(3)] == [True] * 3


def test_one_that_was_given_up_by_its_caller_leaves_the_way_free() -> None:
    breaker = opened()
    assert breaker.permits(now=11 * SECOND)
    breaker.left()
    assert breaker.permits(now=11 * SECOND)


@given(st.lists(st.booleans()))
def test_it_is_open_exactly_after_so_many_failures_in_a_row(outcomes: list[bool]) -> None:
    breaker, in_a_row = Breaker(most=3), 0
    for well in outcomes:
        if breaker.opened is not None:
            break
        if well:
            breaker.succeeded()
        else:
            breaker.failed(now=0)
        in_a_row = 0 if well else in_a_row + 1
        assert (breaker.opened is not None) == (in_a_row >= 3)
