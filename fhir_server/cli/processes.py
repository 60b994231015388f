"""The processes of `fhir-server serve`: one that serves by itself, or several on one socket."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import multiprocessing.queues
import os
import queue
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from fhir_server.cli.frame import CommandFailed
from fhir_server.settings import Settings

_ENDS_WITHIN = 30
"""Seconds for requests in flight to end."""

_STARTS_WITHIN = 300
"""Seconds for a worker to start on a busy machine; one that ends is known at once."""

_ANSWERS_WITHIN = 10
"""Seconds for a worker to tell that it lives; one that does not is killed, with all that it is asked."""

_log = logging.getLogger("uvicorn.error")

Reasons: TypeAlias = "queue.SimpleQueue[str] | multiprocessing.queues.SimpleQueue[str]"
"""Why nodes cannot serve."""


def serve_alone(
    settings: Settings,
    listener: socket.socket,
    announce: Callable[[], None],
    *,
    delay: float = 0.0,
) -> None:
    """Serve in this process, each answer so many seconds late; raise CommandFailed if it does not start."""
    # Here, since a parent of workers needs none of it.
    from fhir_server.wiring import application  # noqa: PLC0415

    node, reasons = application(settings), queue.SimpleQueue[str]()
    server = _Announcing(_config(settings, _late(node, delay) if delay else node), announce)
    node.end, node.failed = server.end, reasons.put
    # Once all is done, uvicorn raises the signal again; a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _told_once(reasons):
        try:
            server.run(sockets=[listener])
        except SystemExit as error:
            if error.code:
                raise _failure(reasons, "the server did not start") from error
    if not reasons.empty():
        raise _failure(reasons)


def serve_with_workers(
    settings: Settings, listener: socket.socket, announce: Callable[[], None]
) -> None:
    """Serve in several processes; raise CommandFailed if one does not start."""
    # A worker is a fresh process: it reads its settings from the environment.
    os.environ.update(_environment(settings))
    reasons: Reasons = multiprocessing.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="fhir-metrics-") as folder, _told_once(reasons):
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        config = _config(settings, partial(_worker, reasons), factory=True)
        workers = _Workers(config, [listener], announce)
        workers.run()
    if workers.failed:
        raise _failure(reasons, f"the workers did not start on the store {settings.store_name}")


def _worker(reasons: Reasons) -> ASGIApp:
    """Return what a worker process serves."""
    from fhir_server.wiring import from_environment  # noqa: PLC0415 - its parent needs none of it

    # Ctrl-C reaches all processes of a terminal: the parent obeys it, and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    node = from_environment()
    node.failed = reasons.put
    _log.addFilter(lambda _: reasons.empty())
    _log.addFilter(_is_no_end)
    return node


@contextmanager
def _told_once(reasons: Reasons) -> Iterator[None]:
    """Keep uvicorn from telling of what failed, once there is a reason: the command tells it."""
    _log.addFilter(untold := lambda _: reasons.empty())
    _log.addFilter(_is_no_end)
    try:
        yield
    finally:
        _log.removeFilter(untold)
        _log.removeFilter(_is_no_end)


def _is_no_end(record: logging.LogRecord) -> bool:
    """Tell whether a record is of anything but what was cut off at the end: that is no failure."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)


def _failure(reasons: Reasons, otherwise: str = "") -> CommandFailed:
    return CommandFailed(otherwise if reasons.empty() else reasons.get())


def _late(application: ASGIApp, delay: float) -> ASGIApp:
    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(delay)
        await application(scope, receive, send)

    return late


class _Announcing(uvicorn.Server):
    """Says so when it listens."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the store in any case: uvicorn would leave it as it is at a second Ctrl-C."""
        await super().shutdown(sockets)
        if self.force_exit:
            await self._cut_off()
            await self.lifespan.shutdown()

    async def _cut_off(self) -> None:
        """End what is in flight."""
        in_flight = set(self.server_state.tasks)
        for each in in_flight:
            each.cancel()
        await asyncio.gather(*in_flight, return_exceptions=True)

    def end(self) -> None:
        """Serve no longer."""
        self.should_exit = True


class _Workers(Multiprocess):
    """Says so when each worker listens."""

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], announce: Callable[[], None]
    ) -> None:
        super().__init__(config, sockets)
        self._announce = announce
        self.failed = False

    def init_processes(self) -> None:
        super().init_processes()
        if all(self._is_ready(each) for each in self.processes):
            self._announce()
        elif not self.should_exit.is_set():
            self.failed = True
            self.should_exit.set()

    def _is_ready(self, worker: Process) -> bool:
        """Wait for a worker, a second at a time: a stop is obeyed meanwhile."""
        for _ in range(_STARTS_WITHIN):
            if worker.wait_until_ready(1, self.should_exit):
                return True
            self.handle_signals()
            if self.should_exit.is_set() or worker.exitcode is not None:
                return False
        return False

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        self.failed |= any(each.exitcode == STARTUP_FAILURE for each in self.processes)


def _environment(settings: Settings) -> dict[str, str]:
    """Return the variables that give a worker process these settings."""
    given = settings.model_dump(mode="json", exclude_none=True)
    return {
        f"FHIR_{name.upper()}": ",".join(value) if isinstance(value, list) else str(value)
        for name, value in given.items()
    }


def _config(
    settings: Settings, application: Callable[..., Any], *, factory: bool = False
) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        factory=factory,
        workers=settings.workers,
        # Its log would print query strings; forwarded headers are anyone's to write.
        access_log=False,
        proxy_headers=False,
        server_header=False,
        log_level="warning",
        http="fhir_server.cli.connection:Connection",
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=_ENDS_WITHIN,
        timeout_worker_healthcheck=_ANSWERS_WITHIN,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
