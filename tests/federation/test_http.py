"""Members over real sockets that do everything wrong: each ends as what it is, in time, and harms no other."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from fhir_server.federation.destinations import Destinations, networks_of
from fhir_server.federation.http import HttpTransport
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Member
from fhir_server.federation.pools import Pools
from fhir_server.federation.transport import Failed
from fhir_server.fhir.json import dump
from tests.support.patience import PATIENCE

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BUNDLE = dump({"resourceType": "Bundle", "type": "searchset"})
JSON = "content-type: application/fhir+json"
LARGEST = 100_000


def answering(*lines: str, body: bytes = BUNDLE, told: int | None = None) -> Talk:
    """Return who answers each request with this."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        length = f"content-length: {len(body) if told is None else told}"
        head = "\r\n".join([*lines, length, "connection: close", "", ""])
        writer.write(head.encode() + body)
        await writer.drain()

    return talk


async def slow_loris(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a byte at a time, for ever."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(f"HTTP/1.1 200 OK\r\n{JSON}\r\ncontent-length: 1000000\r\n\r\n".encode())
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a request and say nothing, until the other side has gone."""
    await reader.read()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break the connection in the middle of the body."""
    await answering("HTTP/1.1 200 OK", JSON, told=5000)(reader, writer)
    writer.transport.abort()


@asynccontextmanager
async def line_to(
    talk: Talk, *, seconds: float = PATIENCE
) -> AsyncIterator[tuple[Line, str, list[int]]]:
    """Yield a line to a server that talks like this, its base, and how often it was dialled."""
    dialled: list[int] = []

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialled.append(1)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(counted, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
    async with Pools() as connections:
        destinations = Destinations(networks_of(["127.0.0.0/8"]))
        transport = HttpTransport(connections, destinations, largest=LARGEST)
        yield Line(Member("m", "m", base, seconds=seconds), transport, lambda: 0), base, dialled
    server.close()


async def failure_of(talk: Talk, *, seconds: float = PATIENCE) -> tuple[str, str]:
    """Return how a request to such a server fails."""
    loop = asyncio.get_running_loop()
    async with line_to(talk, seconds=seconds) as (line, base, _):
        with pytest.raises(Failed) as failed:
            await line.get(f"{base}/Patient", {}, until=loop.time() + seconds)
    return failed.value.state, str(failed.value)


BOMB = gzip.compress(b" " * 50_000_000)

TALKS = {
    "redirect": (
        answering("HTTP/1.1 302 Found", "location: http://169.254.169.254/"),
        "error",
        "302",
    ),
    "web page": (answering("HTTP/1.1 200 OK", "content-type: text/html"), "error", "not JSON"),
    "error page": (answering("HTTP/1.1 500 Oops", "content-type: text/html"), "error", "500"),
    "too large": (answering("HTTP/1.1 200 OK", JSON, body=b" " * 200_000), "error", "larger than"),
    "bomb": (
        answering("HTTP/1.1 200 OK", JSON, "content-encoding: gzip", body=BOMB),
        "error",
        "larger",
    ),
    "wrongly packed": (
        answering("HTTP/1.1 200 OK", JSON, "content-encoding: gzip"),
        "error",
        "packed",
    ),
    "packed unasked": (
        answering("HTTP/1.1 200 OK", JSON, "content-encoding: br"),
        "error",
        "packed",
    ),
    "cut gzip": (
        answering(
            "HTTP/1.1 200 OK", JSON, "content-encoding: gzip", body=gzip.compress(BUNDLE)[:-9]
        ),
        "error",
        "too early",
    ),
    "truncated": (answering("HTTP/1.1 200 OK", JSON, told=5000), "error", "connection"),
    "reset": (reset, "error", "connection"),
    "no http": (answering("SSH-2.0-OpenSSH_9.9"), "error", "connection"),
    "unauthorised": (answering("HTTP/1.1 401 No"), "unauthorised", ""),
    "forbidden": (answering("HTTP/1.1 403 No"), "unauthorised", ""),
    "bad request": (answering("HTTP/1.1 400 No"), "unsupported", "400"),
    "busy for long": (answering("HTTP/1.1 429 Slow", "retry-after: 3600"), "error", "429"),
    "busy again": (answering("HTTP/1.1 503 Busy", "retry-after: 0"), "error", "503"),
}


@pytest.mark.parametrize("name", TALKS)
async def test_each_fault_is_told_as_what_it_is(name: str) -> None:
    talk, state, told = TALKS[name]
    found, problem = await failure_of(talk)
    assert found == state
    assert told in problem


@pytest.mark.parametrize("talk", [slow_loris, silence])
async def test_who_does_not_end_is_given_up_in_time(talk: Talk) -> None:
    assert await failure_of(talk, seconds=0.3) == ("timeout", "")


async def test_a_whole_answer_is_taken_packed_or_not() -> None:
    for body, extra in ((BUNDLE, ()), (gzip.compress(BUNDLE), ("content-encoding: gzip",))):
        async with line_to(answering("HTTP/1.1 200 OK", JSON, *extra, body=body)) as (
            line,
            base,
            _,
        ):
            until = asyncio.get_running_loop().time() + PATIENCE
            assert await line.get(f"{base}/Patient", {}, until=until) == BUNDLE


async def test_a_busy_member_is_asked_once_more() -> None:
    talks = iter(
        [answering("HTTP/1.1 503 Busy", "retry-after: 0"), answering("HTTP/1.1 200 OK", JSON)]
    )

    async def changing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next(talks)(reader, writer)

    async with line_to(changing) as (line, base, dialled):
        until = asyncio.get_running_loop().time() + PATIENCE
        assert await line.get(f"{base}/Patient", {}, until=until) == BUNDLE
        assert len(dialled) == 2


async def test_who_fails_again_and_again_is_not_dialled_any_more() -> None:
    async with line_to(answering("HTTP/1.1 500 Oops")) as (line, base, dialled):
        until = asyncio.get_running_loop().time() + PATIENCE
        states = []
        for _ in range(8):
            with pytest.raises(Failed) as failed:
                await line.get(f"{base}/Patient", {}, until=until)
            states.append(failed.value.state)
        assert states == ["error"] * 5 + ["circuit-open"] * 3
        assert len(dialled) == 5


async def test_a_caller_in_a_hurry_does_not_open_the_breaker() -> None:
    async with line_to(silence) as (line, base, _):
        for _ in range(8):
            with pytest.raises(Failed) as failed:
                await line.get(
                    f"{base}/Patient", {}, until=asyncio.get_running_loop().time() + 0.01
                )
            assert failed.value.state == "timeout"


async def test_no_more_requests_wait_for_a_member_than_it_is_to_get_at_once() -> None:
    at_once, most = 0, 0
    full = asyncio.Event()

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        await reader.readuntil(b"\r\n\r\n")
        at_once += 1
        most = max(most, at_once)
        if at_once == 16:
            full.set()
        await full.wait()
        await asyncio.sleep(0.01)
        at_once -= 1
        head = f"HTTP/1.1 200 OK\r\n{JSON}\r\ncontent-length: {len(BUNDLE)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + BUNDLE)
        await writer.drain()

    async with line_to(counting) as (line, base, dialled):
        until = asyncio.get_running_loop().time() + PATIENCE
        await asyncio.gather(*(line.get(f"{base}/Patient", {}, until=until) for _ in range(40)))
    assert (most, len(dialled)) == (16, 40)


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "\u00e9"])
async def test_a_header_that_http_cannot_have_is_not_sent(value: str) -> None:
    sent: list[bytes] = []

    async def kept(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        sent.append(await reader.read())

    until = asyncio.get_running_loop().time() + PATIENCE
    async with line_to(kept) as (line, base, _):
        with pytest.raises(Failed) as failed:
            await line.get(f"{base}/Patient", {"x-request-id": value}, until=until)
    assert failed.value.state == "error"
    assert b"".join(sent) == b""
