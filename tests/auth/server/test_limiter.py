"""Who fails too often waits, in whatever process it tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.auth.server.limiter import KIND, SECOND, Limiter
from tests.support.remembering import Memory

LIMIT = Limiter("name", most=3, window=60 * SECOND)
BEGIN = 1_750_000_000 * SECOND


async def tried(values: Memory, *seconds: float, key: str = "ada") -> list[int]:
    """Count attempts at these seconds; return what each was told."""
    return [await LIMIT.take(values, key, now=BEGIN + int(second * SECOND)) for second in seconds]


async def wait(values: Memory, second: float, key: str = "ada") -> int:
    return await LIMIT.wait(values, key, now=BEGIN + int(second * SECOND))


async def test_who_has_failed_as_often_as_is_allowed_waits_until_the_first_is_long_ago() -> None:
    values = Memory()

    assert await tried(values, 0, 10, 20, 20) == [0, 0, 0, 40]
    assert await wait(values, 20) == 40
    assert await wait(values, 59.000001) == 1
    assert await wait(values, 60) == 0
    assert await tried(values, 60, 60) == [0, 10]


async def test_who_has_failed_less_often_does_not_wait() -> None:
    values = Memory()
    await tried(values, 0, 1)

    assert await wait(values, 1) == 0
    assert await wait(values, 1, key="bob") == 0


async def test_limits_with_other_names_and_other_keys_count_apart() -> None:
    values = Memory()
    await tried(values, 0, 0, 0)

    assert await wait(values, 0, key="bob") == 0
    assert await Limiter("address", 3, 60 * SECOND).wait(values, "ada", now=BEGIN) == 0


async def test_failures_of_before_are_forgotten_with_a_success() -> None:
    values = Memory()
    await tried(values, 0, 1, 2)

    await LIMIT.forget(values, "ada", now=BEGIN + 3 * SECOND)

    assert await wait(values, 3) == 0
    assert not values.rows


async def test_what_was_typed_is_not_kept_and_what_is_kept_expires() -> None:
    values = Memory()
    await tried(values, 0, 10, key="correct horse battery")

    (((kind, key), (value, expires)),) = values.rows.items()
    assert (kind, expires) == (KIND, BEGIN + 70 * SECOND)
    assert b"horse" not in key.encode() + value


@pytest.mark.parametrize("back", [3600, 86400])
async def test_a_clock_that_was_far_ahead_locks_nobody_out(back: int) -> None:
    values = Memory()
    await tried(values, back, back, back)

    assert await tried(values, 0) == [0]


@given(moments=st.lists(st.integers(0, 200), max_size=20))
async def test_no_window_has_more_attempts_than_are_allowed(moments: list[int]) -> None:
    values, ordered = Memory(), sorted(moments)
    told = await tried(values, *ordered)
    looked_at = [moment for moment, wait in zip(ordered, told, strict=True) if not wait]

    for each in looked_at:
        assert len([other for other in looked_at if each <= other < each + 60]) <= LIMIT.most
