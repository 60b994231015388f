"""A MongoDB for tests: the one that FHIR_TEST_MONGO names, else a wire-compatible server in a process of its own.

SecantusDB speaks MongoDB's protocol on WiredTiger: it is right about results and transactions, not about plans or speed.
Where it is missing, the tests fail.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from pathlib import Path
from time import monotonic

from pymongo import MongoClient
from pymongo.errors import PyMongoError

SECONDS_TO_START = 60

MILLISECONDS_TO_DROP = 30_000
"""It takes some tens of them."""

PR_SET_PDEATHSIG = 1
_processes: list[subprocess.Popen[bytes]] = []


def program() -> str:
    """Return the server's program: it is installed beside Python."""
    return str(Path(sys.executable).with_name("secantusd-py"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


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
    until = monotonic() + SECONDS_TO_START
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
        process.wait(10)
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


def address_of(name: str) -> str:
    """Return the address of a database of this test process's server; options stay behind it."""
    server, mark, options = shared().partition("?")
    return f"{server.rstrip('/')}/{name}{mark}{options}"


def end_shared() -> None:
    """Drop what was kept to be used again, and end the server of this test process."""
    if _spare:
        with _client() as client:
            while _spare:
                _drop(client, _spare.pop())
    while _processes:
        ended(_processes.pop())


_open: dict[str, int] = {}
_names: dict[Path, str] = {}
_touched: set[str] = set()
"""The databases whose address a test was given: it may have changed their indexes."""

_spare: list[str] = []
"""Emptied databases. To make a new one with its indexes takes five times as long as to empty it."""


def _client() -> MongoClient[dict[str, object]]:
    return MongoClient(shared(), timeoutMS=MILLISECONDS_TO_DROP)


def _name_of(folder: Path) -> str:
    return "test_" + blake2b(str(folder).encode(), digest_size=8).hexdigest()


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """Yield the address of the database that belongs to a folder; do with it whatever is to be tested."""
    name = _names.setdefault(folder, _name_of(folder))
    _touched.add(name)
    with _opened(name) as address:
        yield address


@contextmanager
def emptied(folder: Path) -> Iterator[str]:
    """Yield the same for what only opens a store there: a database that others used before, and that is empty."""
    if folder not in _names:
        _names[folder] = _spare.pop() if _spare else _name_of(folder)
    with _opened(_names[folder]) as address:
        yield address


@contextmanager
def _opened(name: str) -> Iterator[str]:
    _open[name] = _open.get(name, 0) + 1
    try:
        yield address_of(name)
    finally:
        _open[name] -= 1


def drop_closed() -> None:
    """Drop or empty the databases that nobody has open; raise AssertionError where the server does not do so in time."""
    closed = [name for name, number in _open.items() if not number]
    if closed:
        with _client() as client:
            for name in closed:
                del _open[name]
                _forget(name)
                _let_go(client, name)


def _forget(name: str) -> None:
    for folder in [folder for folder, each in _names.items() if each == name]:
        del _names[folder]


def _let_go(client: MongoClient[dict[str, object]], name: str) -> None:
    if name in _touched:
        _touched.remove(name)
        _drop(client, name)
        return
    with _told(name):
        for collection in client[name].list_collection_names():
            client[name][collection].delete_many({})
    _spare.append(name)


def _drop(client: MongoClient[dict[str, object]], name: str) -> None:
    with _told(name):
        client.drop_database(name)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Tell of what waits for a transaction that was left open, and end that: it would wait for all that follows too."""
    try:
        yield
    except PyMongoError as problem:
        if _processes:
            # Nobody else works on a server of our own, and the tests that follow are not to wait as well.
            with MongoClient[dict[str, object]](shared()) as client:
                client.admin.command("killAllSessions", [])
        raise AssertionError(
            f"{name} was not dropped: is a transaction open? {problem}"
        ) from problem
