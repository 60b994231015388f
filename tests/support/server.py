"""A real server on a loopback port, in a thread of the test's process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from fhir_server.settings import Settings
from fhir_server.wiring import application
from tests.support.patience import PATIENCE


class _Signalling(uvicorn.Server):
    """Lets another thread wait until it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@contextmanager
def running_server(store: Path, **settings: Any) -> Iterator[str]:
    """Serve a store at a free port, to everyone unless `auth` says else; yield the FHIR base URL; stop at the end."""
    settings = {"auth": "none"} | settings
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        node = application(Settings(store=f"sqlite:{store}", port=port, **settings))
        reasons: list[str] = []
        node.failed = reasons.append
        config = uvicorn.Config(
            node,
            access_log=False,
            proxy_headers=False,
            log_config=None,
            http="fhir_server.cli.connection:Connection",
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=20,
        )
        server = _Signalling(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            started = server.listening.wait(PATIENCE)
            assert started, reasons or "the server did not start"
            yield f"http://127.0.0.1:{port}/fhir"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
