"""How often a name may be tried; time is an argument."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from fhir_server.auth.server.users import User
from fhir_server.web.authorization.sign_in import (
    MINUTE,
    PER_ADDRESS,
    PER_NAME,
    SignIn,
    TooOften,
)
from tests.support.remembering import Memory

NOW = 1_750_000_000_000_000
ADA = User("ada", "Ada")


@dataclass
class OnlyAda:
    """Knows Ada, and notes who was looked up."""

    asked: list[str] = field(default_factory=list)

    async def verify(self, name: str, password: str, *, now: int) -> User | None:  # noqa: ARG002 - time tells nothing here
        """See Users.verify."""
        self.asked.append(name)
        await asyncio.sleep(0)
        return ADA if (name, password) == ("ada", "right") else None


@pytest.fixture
def users() -> OnlyAda:
    return OnlyAda()


@pytest.fixture
def sign_in(users: OnlyAda) -> SignIn:
    return SignIn(users, Memory())


async def attempt(
    sign_in: SignIn, password: str, *, name: str = "ada", address: str = "a", now: int = NOW
) -> User | TooOften | None:
    return await sign_in.attempt(name, password, address=address, now=now)


async def test_a_name_that_failed_too_often_is_not_looked_up(
    sign_in: SignIn, users: OnlyAda
) -> None:
    for _ in range(PER_NAME):
        assert await attempt(sign_in, "wrong") is None

    waiting = await attempt(sign_in, "right", name="ADA", address="b")

    assert waiting == TooOften(300)
    assert len(users.asked) == PER_NAME


async def test_many_at_a_time_are_no_more_than_one_after_another(
    sign_in: SignIn, users: OnlyAda
) -> None:
    outcomes = await asyncio.gather(*(attempt(sign_in, "wrong") for _ in range(50)))

    assert outcomes.count(None) == PER_NAME
    assert len(users.asked) == PER_NAME


async def test_another_process_of_the_store_counts_on(sign_in: SignIn, users: OnlyAda) -> None:
    other = SignIn(users, sign_in.values)
    for worker in (sign_in, other) * (PER_NAME // 2):
        assert await attempt(worker, "wrong") is None

    assert await attempt(sign_in, "right") == await attempt(other, "right") == TooOften(300)


async def test_an_address_that_failed_too_often_waits_whatever_the_name(sign_in: SignIn) -> None:
    for number in range(PER_ADDRESS):
        await attempt(sign_in, "wrong", name=str(number))

    assert isinstance(await attempt(sign_in, "right"), TooOften)
    assert await attempt(sign_in, "right", address="b") == ADA


async def test_after_the_wait_the_name_is_looked_up_again(sign_in: SignIn) -> None:
    for _ in range(PER_NAME):
        await attempt(sign_in, "wrong")

    assert await attempt(sign_in, "right", now=NOW + 5 * MINUTE) == ADA


async def test_who_signs_in_as_often_as_needed_never_waits(sign_in: SignIn) -> None:
    outcomes = [await attempt(sign_in, "right") for _ in range(3 * PER_ADDRESS)]

    assert set(outcomes) == {ADA}
