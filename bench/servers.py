"""The programs that are measured, each a process of its own on a free port of loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(arguments: Sequence[str], port: int, path: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program until the block ends; enter it when the path answers."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FHIR_LOG_LEVEL": "warning"}
    child = subprocess.Popen(
        [sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(f"http://127.0.0.1:{port}{path}", child)
        yield child
    finally:
        child.terminate()
        child.wait(30)


def wait_for(url: str, child: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Return when the address answers; raise RuntimeError if the program ends or is too slow."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if child.poll() is not None:
            raise RuntimeError(f"the program ended with {child.returncode}: {child.args!r}")
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.005)
    raise RuntimeError(f"{url} does not answer")


@contextmanager
def node(store: Path, *, workers: int = 1, audit: str = "off") -> Iterator[int]:
    """Run our server on a store; give its port."""
    port = free_port()
    arguments = ["-m", "fhir_server", "serve", "--auth", "none", "--port", str(port)]
    arguments += ["--store", f"sqlite:{store}"]
    arguments += ["--workers", str(workers), "--audit", audit]
    with process(arguments, port, "/health/live"):
        yield port


@contextmanager
def constant(body: bytes, folder: Path) -> Iterator[int]:
    """Run the constant application on these bytes; give its port."""
    port = free_port()
    file = folder / "constant.body"
    file.write_bytes(body)
    with process(["-m", "bench.constant", str(file), str(port)], port, "/"):
        yield port
