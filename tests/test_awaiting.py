"""A store that is away at the start, and what waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from fhir_server import awaiting
from fhir_server.awaiting import awaited
from fhir_server.fhir.errors import Unavailable, Unreachable


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaiting, "FIRST_PAUSE", 0.001)


class Scripted:
    """A store that fails as it is told, and then opens; notes what happens."""

    def __init__(self, *problems: Exception) -> None:
        self._problems = list(problems)
        self.events: list[str] = []
        self.happened = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Fail, or open."""
        if self._problems:
            raise self._problems.pop(0)
        self.events.append("opened")
        yield
        self.events.append("closed")

    def tell(self, event: str, _: Mapping[str, Any]) -> None:
        """Note an event."""
        self.events.append(event)
        if event == "store_reached":
            self.happened.set()

    def given_up(self, problem: Exception) -> None:
        """Note the end."""
        self.events.append(f"given up: {problem}")
        self.happened.set()

    def awaited(self, seconds: float = 60) -> AbstractAsyncContextManager[None]:
        """Wait for it."""
        return awaited(self.serving, seconds, self.tell, self.given_up)


AWAY = Unreachable("nobody there")
WRONG = Unavailable("wrong password")


@pytest.mark.parametrize(("problem", "seconds"), [(WRONG, 60), (AWAY, 0), (ValueError("x"), 60)])
async def test_what_does_not_pass_or_may_not_be_waited_for_is_raised(
    problem: Exception, seconds: float
) -> None:
    store = Scripted(problem)

    with pytest.raises(type(problem)):
        async with store.awaited(seconds):
            pytest.fail("it went on")

    assert store.events == []


async def test_what_fails_otherwise_at_a_later_attempt_is_given_up() -> None:
    store = Scripted(AWAY, WRONG)

    async with store.awaited():
        await store.happened.wait()

    assert store.events == ["store_awaited", "store_given_up", "given up: wrong password"]


async def test_what_is_away_for_too_long_is_given_up() -> None:
    store = Scripted(*[AWAY] * 50)

    async with store.awaited(0.001):
        await store.happened.wait()

    assert store.events[-2:] == ["store_given_up", "given up: nobody there"]


async def test_a_node_that_is_stopped_while_it_waits_ends() -> None:
    store = Scripted(*[AWAY] * 50)

    async with store.awaited():
        pass

    assert "store_given_up" not in store.events


async def test_what_comes_back_is_served_and_closed_with_the_block() -> None:
    store = Scripted(AWAY, AWAY)

    async with store.awaited():
        await store.happened.wait()

    waits = ["store_awaited", "store_awaited"]
    assert store.events == [*waits, "opened", "store_reached", "closed"]


async def test_what_is_there_is_served_at_once() -> None:
    store = Scripted()

    async with store.awaited():
        store.events.append("block")

    assert store.events == ["opened", "block", "closed"]


@pytest.mark.parametrize("most", [0.002, 15.0])
async def test_the_pauses_are_doubled_up_to_the_longest(
    monkeypatch: pytest.MonkeyPatch, most: float
) -> None:
    monkeypatch.setattr(awaiting, "LONGEST_PAUSE", most)
    store, pauses = Scripted(*[AWAY] * 4), list[float]()
    tell: Callable[[str, Mapping[str, Any]], None] = store.tell

    def noting(event: str, fields: Mapping[str, Any]) -> None:
        pauses.extend([fields["again_in_seconds"]] if event == "store_awaited" else [])
        tell(event, fields)

    async with awaited(store.serving, 60, noting, store.given_up):
        await store.happened.wait()

    assert pauses == [0.001, 0.002, min(0.004, most), min(0.008, most)]
