"""Bodies are read no further than the limit."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest

from fhir_server.fhir.errors import BadRequest, TooLarge
from fhir_server.rest.content import Disconnected, Receive, Streamed


class Sender:
    """Gives chunks one by one, and counts how many were fetched."""

    def __init__(self, *chunks: bytes, ends: bool = True) -> None:
        self._messages: list[MutableMapping[str, Any]] = [
            {"type": "http.request", "body": each, "more_body": True} for each in chunks
        ]
        if ends:
            self._messages[-1]["more_body"] = False
        else:
            self._messages.append({"type": "http.disconnect"})
        self.fetched = 0

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the next message."""
        self.fetched += 1
        return self._messages.pop(0)


def streamed(receive: Receive, announced: bytes | None = None) -> Streamed:
    return Streamed(receive, announced, limit=10)


@pytest.mark.parametrize("announced", [b"11", b"99999999999999999999999999"])
async def test_a_body_that_is_announced_as_too_large_is_not_read(announced: bytes) -> None:
    sender = Sender(b"x" * 11)

    with pytest.raises(TooLarge, match="10 bytes"):
        await streamed(sender.receive, announced).read()

    assert sender.fetched == 0


async def test_a_body_is_not_read_on_after_the_limit() -> None:
    sender = Sender(b"x" * 6, b"x" * 6, b"x" * 6)

    with pytest.raises(TooLarge):
        await streamed(sender.receive).read()

    assert sender.fetched == 2


async def test_a_length_that_is_no_number_is_refused() -> None:
    with pytest.raises(BadRequest, match="Content-Length"):
        await streamed(Sender(b"").receive, b"-1").read()


async def test_a_client_that_goes_away_is_noticed() -> None:
    with pytest.raises(Disconnected):
        await streamed(Sender(b"x", ends=False).receive).read()


async def test_chunks_become_one_body() -> None:
    assert await streamed(Sender(b"12345", b"67890").receive, b"10").read() == b"1234567890"


async def test_a_body_is_read_once_and_can_be_asked_for_again() -> None:
    sender = Sender(b"12345")
    body = streamed(sender.receive)

    assert [await body.read(), await body.read()] == [b"12345", b"12345"]
    assert sender.fetched == 1
