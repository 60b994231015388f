"""A TCP proxy in front of a server: it can lose connections, hold them up, and let nobody in."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """What passes bytes on; `seconds` holds each answer up, `hold` all of them, `closed` refuses new connections."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._open: set[asyncio.StreamWriter] = set()
        self._handled: set[asyncio.Task[None]] = set()
        self.port = 0
        self.seconds = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.closed = False
        self.answers = 0
        self.cut_after: int | None = None
        """After so many answers all connections are lost, the last answer not passed on."""

    def hold(self) -> None:
        """Keep connections, and pass no answer on."""
        self._flowing.clear()

    def release(self) -> None:
        """Pass on what was held."""
        self._flowing.set()

    def cut(self) -> None:
        """Lose all connections."""
        for each in list(self._open):
            each.transport.abort()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, or lose it."""
        if self.closed:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._handle(reader, writer))
        self._handled.add(task)
        task.add_done_callback(self._handled.discard)

    async def end(self) -> None:
        """Lose all connections, and wait until nothing is passed on."""
        self.closed = True
        self.release()
        while self._handled:
            self.cut()
            await asyncio.wait(self._handled, timeout=0.1)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_reader, to_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, to_writer}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, to_writer, answers=False))
                tasks.create_task(self._pass(to_reader, writer, answers=True))
        finally:
            self._open -= {writer, to_writer}

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with suppress(OSError):
            while some := await reader.read(65_536):
                if answers:
                    await asyncio.sleep(self.seconds)
                    await self._flowing.wait()
                    self.answers += 1
                    if self.cut_after is not None and self.answers >= self.cut_after:
                        self.answers = 0
                        self.cut()
                        return
                writer.write(some)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def proxied(
    host: str, port: int, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Proxy]:
    """Yield a proxy in front of a server, on a free port of the loopback interface; with `tls` it decrypts."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
