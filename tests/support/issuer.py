"""An issuer on a loopback port: what it publishes can change, and fail, while it runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.patience import PATIENCE

DISCOVERY = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"
KEYS = "/keys"


@dataclass
class Issuer:
    """What is published, by path: a status and a body; `hold` keeps every answer back until it is set."""

    url: str = ""
    pages: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    def publish(self, *keys: dict[str, Any], path: str = DISCOVERY, **metadata: Any) -> None:
        """Publish metadata and keys."""
        told = {
            "issuer": self.url,
            "jwks_uri": self.url + KEYS,
            "authorization_endpoint": self.url + "/authorize",
            "token_endpoint": self.url + "/token",
        }
        self.pages = {
            path: (200, json.dumps(told | metadata).encode()),
            KEYS: (200, json.dumps({"keys": keys}).encode()),
        }

    def fail(self, status: int) -> None:
        """Answer everything with this status."""
        self.pages = dict.fromkeys((DISCOVERY, OAUTH, KEYS), (status, b"{}"))


@contextmanager
def running_issuer(*keys: dict[str, Any]) -> Iterator[Issuer]:
    """Serve an issuer with these keys until the block ends."""
    issuer = Issuer()
    issuer.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            issuer.hold.wait(PATIENCE)
            status, body = issuer.pages.get(self.path, (404, b""))
            self.send_response(status)
            for name, value in issuer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    issuer.publish(*keys)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        issuer.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
