"""The programs that are measured, each a process of its own on a free port of loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """Return a port that nothing listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return as many ports that nothing listens on, none of them twice."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def process(
    arguments: Sequence[str], port: int, path: str, *, store: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program until the block ends; enter it when the path answers."""
    environment = environment_of(store)
    child = subprocess.Popen(
        [sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(f"http://127.0.0.1:{port}{path}", child)
        yield child
    finally:
        child.terminate()
        child.wait(30)


def environment_of(store: str) -> dict[str, str]:
    """Return the variables of a program that uses a store: its address may hold a password."""
    return os.environ | {"PYTHONPATH": str(ROOT), "FHIR_LOG_LEVEL": "warning", "FHIR_STORE": store}


def wait_for(url: str, child: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Return when the address answers; raise RuntimeError if the program ends or is too slow."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if child.poll() is not None:
            raise RuntimeError(f"the program ended with {child.returncode}: {child.args!r}")
        try:
            with urllib.request.urlopen(url, timeout=10):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.005)
    raise RuntimeError(f"{url} does not answer")


@contextmanager
def node(store: str, *, workers: int = 1, audit: str = "off") -> Iterator[int]:
    """Run our server on the store at an address; give its port."""
    with running(store, "--workers", str(workers), "--audit", audit) as (port, _):
        yield port


@contextmanager
def running(store: str, *flags: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run our server on the store at an address; give its port and its process."""
    port = free_port()
    arguments = ["-m", "fhir_server", "serve", "--auth", "none", "--port", str(port), *flags]
    with process(arguments, port, "/health/ready", store=store) as child:
        yield port, child


def processor_seconds(child: subprocess.Popen[bytes]) -> float:
    """Return the processor time that a process has taken: what others do on the machine hardly moves it. Linux alone."""
    after_name = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def constant(body: bytes, folder: Path) -> Iterator[int]:
    """Run the constant application on these bytes; give its port."""
    port = free_port()
    file = folder / "constant.body"
    file.write_bytes(body)
    with process(["-m", "bench.constant", str(file), str(port)], port, "/"):
        yield port
