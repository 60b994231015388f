"""A MongoDB for tests: the one that FHIR_TEST_MONGO names, else a wire-compatible server in a process of its own.

SecantusDB speaks MongoDB's protocol on WiredTiger: it is right about results and transactions, not about plans or speed.
Where it is missing, the tests fail.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from time import monotonic

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.support.patience import PATIENCE

MILLISECONDS_TO_DROP = round(PATIENCE * 1000)
"""It takes some tens of them."""

PR_SET_PDEATHSIG = 1
_processes: list[subprocess.Popen[bytes]] = []


def program() -> str:
    """Return the server's program: it is installed beside Python."""
    return str(Path(sys.executable).with_name("secantusd-py"))


def free_port() -> int:
    """Return a port below those that the system gives away, so that nobody is given it until somebody listens there."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def started(
    *options: str, port: int | None = None, storage: str = ":memory:"
) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server; return its process and its address once it answers."""
    port = port or free_port()
    place = ["--host", "127.0.0.1", "--port", str(port), "--storage-path", storage]
    process = subprocess.Popen(
        [program(), *place, "--log-level", "ERROR", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 - it does one call of the system
    )
    address = f"mongodb://127.0.0.1:{port}"
    try:
        _await_answer(process, address)
    except BaseException:
        ended(process)
        raise
    return process, address


def _end_with_parent() -> None:
    """Have the kernel end the server where its test process is killed: Linux alone can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _await_answer(process: subprocess.Popen[bytes], address: str) -> None:
    until = monotonic() + PATIENCE
    with MongoClient[dict[str, object]](
        address, serverSelectionTimeoutMS=250, directConnection=True
    ) as client:
        while True:
            try:
                client.admin.command("hello")
            except PyMongoError:
                assert process.poll() is None, "the server ended at once"
                assert monotonic() < until, "the server does not answer"
            else:
                return


def ended(process: subprocess.Popen[bytes]) -> None:
    """End a server."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@cache
def shared() -> str:
    """Return the address of the server of this test process, started when first asked for."""
    if named := os.environ.get("FHIR_TEST_MONGO"):
        return named
    process, address = started()
    _processes.append(process)
    return address


@cache
def standalone() -> str:
    """Return the address of the standalone server of this test process, started when first asked for."""
    process, address = started("--standalone")
    _processes.append(process)
    return address


def address_of(name: str, server: str | None = None) -> str:
    """Return the address of a database of this test process's server; options stay behind it."""
    address, mark, options = (server or shared()).partition("?")
    return f"{address.rstrip('/')}/{name}{mark}{options}"


def end_shared() -> None:
    """End the server of this test process."""
    while _processes:
        ended(_processes.pop())


_open: dict[tuple[str, str], int] = {}
"""How often a database is open, by server and name."""


@contextmanager
def database(folder: Path, server: str | None = None) -> Iterator[str]:
    """Yield the address of the database that belongs to a folder, on the shared server or another one."""
    name = "test_" + blake2b(str(folder).encode(), digest_size=8).hexdigest()
    place = server or shared(), name
    _open[place] = _open.get(place, 0) + 1
    try:
        yield address_of(name, server)
    finally:
        _open[place] -= 1


def drop_closed() -> None:
    """Drop the databases that nobody has open; raise AssertionError where the server does not do so in time."""
    closed = [place for place, number in _open.items() if not number]
    for server in {each for each, _ in closed}:
        with MongoClient[dict[str, object]](server, timeoutMS=MILLISECONDS_TO_DROP) as client:
            for place in closed:
                if place[0] == server:
                    del _open[place]
                    _drop(client, place[1])


def _drop(client: MongoClient[dict[str, object]], name: str) -> None:
    """Drop a database, which waits for the transactions that wrote there: one that was left open is told of, and ended."""
    try:
        client.drop_database(name)
    except PyMongoError as problem:
        if _processes:
            # Nobody else works on a server of our own, and the tests that follow are not to wait as well.
            client.admin.command("killAllSessions", [])
        raise AssertionError(
            f"{name} was not dropped: is a transaction open? {problem}"
        ) from problem
