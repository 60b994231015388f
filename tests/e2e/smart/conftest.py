"""A node, a place where an app is served, and a browser."""

from __future__ import annotations

import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from fhir_server.auth.server.clients import Client
from tests.support.browser import profile, running_browser
from tests.support.data import package
from tests.support.nodes import running_node
from tests.support.smart import SCOPES, fill, register

_LIBRARY = "package/build/fhir-client.pure.min.js"
_PAGE = Path(__file__).with_name("app.html")


@dataclass(frozen=True)
class Place:
    """Where things are: origins."""

    node: str
    apps: str


@pytest.fixture(scope="session")
def apps() -> Iterator[str]:
    """Serve the app; return its origin."""
    with tarfile.open(package("fhirclient-2.6.3.tgz")) as archive:
        library = archive.extractfile(_LIBRARY)
        assert library is not None
        files = {
            "/fhirclient.js": (library.read(), "text/javascript"),
            "/app.html": (_PAGE.read_bytes(), "text/html; charset=utf-8"),
        }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, kind = files.get(self.path.partition("?")[0], (b"", "text/plain"))
            self.send_response(200 if body else 404)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, apps: str) -> Iterator[Place]:
    """Serve a node with people, patients and the app, in processes of its own."""
    store = tmp_path_factory.mktemp("smart") / "fhir.db"
    scopes, callback = tuple(SCOPES.split()), (f"{apps}/app.html",)
    chart = Client("chart", "Growth Chart", "none", scopes, callback)
    ward = Client("ward", "Ward Round", "none", scopes, callback, launch_url=callback[0])
    fill(store)
    register(store, chart, ward)
    with running_node(store, "--auth", "smart") as node:
        yield Place(node.origin, apps)


@pytest.fixture(scope="module")
def browser(place: Place) -> Iterator[Browser]:
    """Return a browser.

    Not for longer than a module: while it runs, an event loop does, and async tests could not begin theirs. For the
    same reason the node comes first.
    """
    with running_browser() as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Return a profile that knows nothing yet."""
    context = profile(browser)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Return an empty page."""
    return context.new_page()
