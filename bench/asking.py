"""One caller with a token, who asks one request after the other on connections that stay open."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import servers
from bench.client import request

PROGRAMME = b"""{"programmes": [
  {"id": "bench", "purposes": ["HRESCH"], "basis": "to be measured", "organisation": "X99", "records": true}
]}"""
RESEARCH = ("--purpose", "HRESCH", "--organisation", "X99", "--programme", "bench")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_REQUEST_ID = re.compile(rb"\r\nx-request-id: (\w+)-", re.IGNORECASE)


def token(store: str, port: int, *claims: str) -> str:
    """Return a token of the node on this port, by its command; `store` is an address."""
    arguments = [sys.executable, "-m", "fhir_server", "token", "--port", str(port), *claims]
    environment = servers.environment_of(store)
    return subprocess.check_output(arguments, cwd=servers.ROOT, env=environment, text=True).strip()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, how long it took in seconds, when it was there, and which process gave it."""

    status: int
    body: bytes
    seconds: float
    at: float
    process: bytes


class Connection:
    """One connection to a node on loopback."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, payload: bytes) -> Answer:
        """Send a request and return its answer."""
        began = time.perf_counter()
        self._socket.sendall(payload)
        data = self._received()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._received()
        length = _LENGTH.search(data, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        while len(data) < whole:
            data += self._received()
        now = time.perf_counter()
        told = _REQUEST_ID.search(data, 0, end)
        name = told[1] if told else b""
        return Answer(int(data[9:12]), data[end + 4 :], now - began, now, name)

    def _received(self) -> bytes:
        found = self._socket.recv(1 << 18)
        if not found:
            raise ConnectionError("the node closed the connection")
        return found

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def get(target: str, bearer: str) -> bytes:
    """Return the bytes of a GET with a token."""
    return request("GET", target, headers=(f"Authorization: Bearer {bearer}",))


def post(target: str, body: bytes, bearer: str, headers: Sequence[str] = ()) -> bytes:
    """Return the bytes of a POST with a token."""
    return request("POST", target, body, (f"Authorization: Bearer {bearer}", *headers))
