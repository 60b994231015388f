"""Who fails too often waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.auth.server.limiter import MOST_KEYS, SECOND, Limiter


def a_limiter() -> Limiter:
    return Limiter(most=3, window=60 * SECOND)


def test_who_has_failed_as_often_as_is_allowed_waits_until_the_first_is_long_ago() -> None:
    limiter = a_limiter()
    for moment in (0, 10, 20):
        limiter.failed(["ada", "10.0.0.1"], now=moment * SECOND)

    assert limiter.wait(["ada"], now=20 * SECOND) == 40
    assert limiter.wait(["bob", "10.0.0.1"], now=20 * SECOND + 1) == 40
    assert limiter.wait(["ada"], now=59 * SECOND + 1) == 1
    assert limiter.wait(["ada"], now=60 * SECOND) == 0


def test_who_has_failed_less_often_does_not_wait() -> None:
    limiter = a_limiter()
    for moment in (0, 1):
        limiter.failed(["ada"], now=moment)

    assert limiter.wait(["ada", "bob"], now=1) == 0
    assert limiter.wait([], now=1) == 0


def test_failures_of_before_are_forgotten_with_a_success() -> None:
    limiter = a_limiter()
    for moment in range(3):
        limiter.failed(["ada"], now=moment)

    limiter.succeeded("ada")

    assert limiter.wait(["ada"], now=3) == 0


def test_it_remembers_so_many_keys_and_no_more() -> None:
    limiter = Limiter(most=1)
    for number in range(MOST_KEYS + 5):
        limiter.failed([str(number)], now=0)

    assert len(limiter._failures) == MOST_KEYS
    assert limiter.wait(["4"], now=0) == 0
    assert limiter.wait([str(MOST_KEYS)], now=0) > 0


@given(moments=st.lists(st.integers(0, 200), max_size=20))
def test_no_window_has_more_attempts_than_are_allowed(moments: list[int]) -> None:
    limiter = a_limiter()
    looked_at = []
    for moment in sorted(moments):
        if not limiter.wait(["ada"], now=moment * SECOND):
            looked_at.append(moment)
            limiter.failed(["ada"], now=moment * SECOND)

    for each in looked_at:
        assert len([other for other in looked_at if each <= other < each + 60]) <= 3
