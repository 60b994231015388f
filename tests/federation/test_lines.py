"""A line to a member in time that is made up: what is sent twice, what is waited for, who is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from fhir_server.federation.hedging import ENOUGH, EVERY
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Member
from fhir_server.federation.transport import Failed, Reply
from tests.support.virtual import in_virtual_time, moment

JSON = {"content-type": "application/fhir+json"}
URL = "https://m.example/fhir/Patient"

Answer = Callable[[int], Coroutine[Any, Any, Reply]]


@dataclass(slots=True)
class Scripted:
    """A member that answers its n-th request by a script; it remembers who was cut off."""

    answer: Answer
    asked: list[float] = field(default_factory=list)
    cut_off: list[int] = field(default_factory=list)

    async def get(self, _url: str, _headers: Mapping[str, str]) -> Reply:
        """Answer by the script."""
        number = len(self.asked)
        self.asked.append(asyncio.get_running_loop().time())
        try:
            return await self.answer(number)
        except asyncio.CancelledError:
            self.cut_off.append(number)
            raise

    async def send(
        self, _method: str, url: str, headers: Mapping[str, str], _content: bytes = b""
    ) -> Reply:
        """Answer by the script."""
        return await self.get(url, headers)


def after(*seconds: float) -> Answer:
    """Return a script: each request is answered after the seconds told, those beyond after those of the last."""

    async def answer(number: int) -> Reply:
        await asyncio.sleep(seconds[min(number, len(seconds) - 1)])
        return Reply(200, JSON, b"%d" % number)

    return answer


def told(status: int, retry_after: str | None = None) -> Answer:
    """Return a script: the first request is answered with this status, the others well."""

    async def answer(number: int) -> Reply:
        headers = {} if retry_after is None else {"retry-after": retry_after}
        return Reply(200, JSON, b"ok") if number else Reply(status, headers, b"")

    return answer


async def ask(line: Line, *, seconds: float = 60.0) -> bytes:
    return await line.get(URL, {}, until=asyncio.get_running_loop().time() + seconds)


async def change(line: Line, *, seconds: float = 60.0) -> Reply:
    until = asyncio.get_running_loop().time() + seconds
    return await line.send("PUT", URL, {}, b"{}", until=until)


def a_line(member: Scripted, *, at_once: int = 16) -> Line:
    return Line(Member("m", "m", "https://m.example/fhir", at_once=at_once), member, moment)


async def known(line: Line) -> None:
    """Ask until the line knows how long answers take."""
    for _ in range(ENOUGH):
        await ask(line)


async def states(line: Line, times: int) -> list[str]:
    found = []
    for _ in range(times):
        try:
            await ask(line)
            found.append("ok")
        except Failed as failure:
            found.append(failure.state)
    return found


def test_nothing_is_sent_twice_before_it_is_known_how_long_answers_take() -> None:
    member = Scripted(after(*[0.1] * (ENOUGH - 1), 3.0))

    async def story() -> None:
        await known(a_line(member))

    in_virtual_time(story())
    assert len(member.asked) == ENOUGH


def test_a_late_answer_is_asked_for_again_and_the_first_that_comes_counts() -> None:
    member = Scripted(after(*[0.1] * ENOUGH, 3.0, 0.1))

    async def story() -> tuple[bytes, float]:
        line = a_line(member)
        await known(line)
        began = asyncio.get_running_loop().time()
        return await ask(line), asyncio.get_running_loop().time() - began

    content, took = in_virtual_time(story())
    assert content == b"%d" % (ENOUGH + 1)
    assert took == pytest.approx(0.2)
    assert member.cut_off == [ENOUGH]


def test_where_the_first_comes_after_all_the_second_is_cut_off() -> None:
    member = Scripted(after(*[0.1] * ENOUGH, 0.15, 3.0))

    async def story() -> bytes:
        line = a_line(member)
        await known(line)
        return await ask(line)

    assert in_virtual_time(story()) == b"%d" % ENOUGH
    assert member.cut_off == [ENOUGH + 1]


def test_a_second_request_that_fails_leaves_the_first_to_answer() -> None:
    async def answer(number: int) -> Reply:
        if number == ENOUGH + 1:
            raise Failed("error", "the connection failed")
        await asyncio.sleep(2.0 if number == ENOUGH else 0.1)
        return Reply(200, JSON, b"%d" % number)

    member = Scripted(answer)

    async def story() -> bytes:
        line = a_line(member)
        await known(line)
        return await ask(line)

    assert in_virtual_time(story()) == b"%d" % ENOUGH


def test_who_gives_up_cuts_both_off() -> None:
    member = Scripted(after(*[0.1] * ENOUGH, 9.0))

    async def story() -> None:
        line = a_line(member)
        await known(line)
        with pytest.raises(Failed) as failed:
            await ask(line, seconds=1.0)
        assert failed.value.state == "timeout"

    in_virtual_time(story())
    assert member.cut_off == [ENOUGH, ENOUGH + 1]


def test_of_a_member_that_has_become_slow_one_request_in_twenty_is_sent_twice() -> None:
    member = Scripted(after(*[0.1] * ENOUGH, 1.0))
    more = 200

    async def story() -> None:
        line = a_line(member)
        await known(line)
        for _ in range(more):
            await ask(line)

    in_virtual_time(story())
    extra = len(member.asked) - ENOUGH - more
    assert 0 < extra <= (ENOUGH + more) // EVERY


def test_a_member_whose_turns_are_all_taken_is_sent_nothing_more() -> None:
    member = Scripted(after(*[0.1] * ENOUGH, 3.0))

    async def story() -> None:
        line = a_line(member, at_once=1)
        await known(line)
        await ask(line)

    in_virtual_time(story())
    assert len(member.asked) == ENOUGH + 1


@pytest.mark.parametrize("date", [False, True])
def test_a_busy_member_is_asked_again_when_it_said_so(*, date: bool) -> None:
    # The loop's time begins in 1970.
    at = format_datetime(datetime.fromtimestamp(2, UTC), usegmt=True) if date else "2"
    member = Scripted(told(503, at))

    async def story() -> bytes:
        return await ask(a_line(member))

    assert in_virtual_time(story()) == b"ok"
    assert member.asked == [0.0, pytest.approx(2.0)]


def test_a_busy_member_that_wants_more_time_is_left_alone_until_then() -> None:
    member = Scripted(told(429, "30"))

    async def story() -> list[str]:
        line = a_line(member)
        found = await states(line, 2)
        await asyncio.sleep(30)
        return found + await states(line, 1)

    assert in_virtual_time(story()) == ["error", "circuit-open", "ok"]
    assert member.asked == [0.0, pytest.approx(30.0)]


def test_a_wrong_pause_takes_no_member_out_for_ever() -> None:
    member = Scripted(told(503, "99999999999999999999"))

    async def story() -> list[str]:
        line = a_line(member)
        found = await states(line, 1)
        await asyncio.sleep(301)
        return found + await states(line, 1)

    assert in_virtual_time(story()) == ["error", "ok"]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_write_is_never_sent_again(status: int) -> None:
    member = Scripted(told(status, "0"))

    async def story() -> Failed:
        with pytest.raises(Failed) as failed:
            await change(a_line(member))
        return failed.value

    assert in_virtual_time(story()).sent
    assert len(member.asked) == 1


def test_a_write_that_is_late_is_not_sent_twice_and_may_have_been_done() -> None:
    member = Scripted(after(*[0.1] * ENOUGH, 9.0))

    async def story() -> Failed:
        line = a_line(member)
        await known(line)
        with pytest.raises(Failed) as failed:
            await change(line)
        return failed.value

    failure = in_virtual_time(story())
    assert (failure.state, failure.sent) == ("timeout", True)
    assert len(member.asked) == ENOUGH + 1


def test_a_write_that_waited_for_its_turn_all_the_time_was_not_sent() -> None:
    member = Scripted(after(30.0))

    async def story() -> Failed:
        line = a_line(member, at_once=1)
        first = asyncio.create_task(change(line, seconds=3))
        await asyncio.sleep(0)
        with pytest.raises(Failed) as failed:
            await change(line, seconds=1)
        with pytest.raises(Failed):
            await first
        return failed.value

    assert not in_virtual_time(story()).sent
    assert len(member.asked) == 1


def test_a_member_that_is_left_alone_is_sent_no_write() -> None:
    member = Scripted(told(429, "30"))

    async def story() -> Failed:
        line = a_line(member)
        assert (await change(line)).status == 429
        with pytest.raises(Failed) as failed:
            await change(line)
        return failed.value

    failure = in_virtual_time(story())
    assert (failure.state, failure.sent) == ("circuit-open", False)
