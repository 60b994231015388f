"""The processes of `fhir-server serve`: one that serves by itself, or several on one socket."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from fhir_server.cli.frame import CommandFailed
from fhir_server.settings import Settings

_PATIENCE = 30
"""Seconds for workers to start, and for requests in flight to end."""


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

    node = application(settings)
    server = _Announcing(_config(settings, _late(node, delay) if delay else node), announce)
    node.end = server.end
    # Once all is done, uvicorn raises the signal again; a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log = logging.getLogger("uvicorn.error")
    # What failed is told once, by the command.
    log.addFilter(untold := lambda _: node.failure is None)
    try:
        server.run(sockets=[listener])
    except SystemExit as error:
        if error.code:
            raise CommandFailed(node.failure or "the server did not start") from error
    finally:
        log.removeFilter(untold)
    if node.failure:
        raise CommandFailed(node.failure)


def serve_with_workers(
    settings: Settings, listener: socket.socket, announce: Callable[[], None]
) -> None:
    """Serve in several processes; raise CommandFailed if one does not start."""
    # A worker is a fresh process: it reads its settings from the environment.
    os.environ.update(_environment(settings))
    with tempfile.TemporaryDirectory(prefix="fhir-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        config = _config(settings, "fhir_server.wiring:from_environment")
        workers = _Workers(config, [listener], announce)
        workers.run()
    if workers.failed:
        raise CommandFailed(f"the workers did not start on the store {settings.store_name}")


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
        ready = [each.wait_until_ready(_PATIENCE, self.should_exit) for each in self.processes]
        if all(ready):
            self._announce()
        else:
            self.failed = True
            self.should_exit.set()

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


def _config(settings: Settings, application: object) -> uvicorn.Config:
    return uvicorn.Config(
        application,  # type: ignore[arg-type]  # an ASGI application, or the name of its factory
        factory=isinstance(application, str),
        workers=settings.workers,
        # Its log would print query strings; forwarded headers are anyone's to write.
        access_log=False,
        proxy_headers=False,
        server_header=False,
        log_level="warning",
        http="fhir_server.cli.connection:Connection",
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=_PATIENCE,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
