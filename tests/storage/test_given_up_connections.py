"""A client that is closed while it still connects leaves no socket open, for the collector to warn of elsewhere."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import anyio
import pytest

from fhir_server.storage.mongo.reaching import client_of
from tests.support.patience import PATIENCE


@contextmanager
def a_server_too_busy_to_accept() -> Iterator[int]:
    """Yield the port of a listener whose queue is full: connecting to it takes as long as it is not told otherwise."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            queued = stack.enter_context(socket.socket())
            queued.settimeout(0)
            queued.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_client_closed_while_it_connects_leaves_no_socket_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: left.append(told.exc_value))
    with a_server_too_busy_to_accept() as port, anyio.fail_after(PATIENCE):
        client = client_of(f"mongodb://127.0.0.1:{port}/")
        await client.aconnect()
        while not any("sock_connect" in repr(each.get_coro()) for each in asyncio.all_tasks()):  # noqa: ASYNC110 - the driver tells of no event
            await anyio.sleep(0.001)
        await client.close()
    gc.collect()
    assert not left
