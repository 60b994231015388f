"""What a driver leaves open: a connection that it gave up while connecting."""

from __future__ import annotations

import asyncio
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any

import pytest


@contextmanager
def given_up_connections_closed() -> Iterator[None]:
    """Close a socket as its connecting is cancelled.

    PyMongo closes it for an `OSError` alone (4.20, `pool_shared._async_create_connection`), and cancels it where a
    client is closed early. The garbage collector then does, and warns in whichever test it happens to run.
    """
    connect = BaseSelectorEventLoop.sock_connect

    def connecting(
        loop: BaseSelectorEventLoop, connection: socket, address: Any
    ) -> asyncio.Task[None]:
        # A task: what is cancelled before its first step ends without running any of its code.
        task = loop.create_task(connect(loop, connection, address))
        task.add_done_callback(lambda ended: connection.close() if ended.cancelled() else None)
        return task

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseSelectorEventLoop, "sock_connect", connecting)
        yield
