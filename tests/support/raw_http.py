"""HTTP as bytes on a socket: what no well-behaved client would send."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse

from tests.support.patience import PATIENCE


@dataclass(frozen=True, slots=True)
class Ask:
    """A request whose parts are sent as they are; `Host` and `Content-Length` are added."""

    method: bytes
    target: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""

    def message(self) -> bytes:
        """Return the bytes to send."""
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target), b"Host: 127.0.0.1"]
        lines += [b"%s: %s" % each for each in self.headers]
        if self.body or self.method in {b"POST", b"PUT", b"PATCH"}:
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join([*lines, b"", self.body])


@dataclass(frozen=True, slots=True)
class Told:
    """What came back."""

    status: int
    headers: Message
    body: bytes


class Line:
    """A connection that is opened again where the server closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, ask: Ask) -> Told:
        """Send a request and return the answer."""
        try:
            return self._asked(ask)
        except (HTTPException, ConnectionError):
            # Closed while idle, as servers may: once more, on a new connection.
            self.close()
            return self._asked(ask)

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _asked(self, ask: Ask) -> Told:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        # It may answer, and hang up, before it has read all.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(ask.message())
        told, stays = _answer(self._socket, ask.method)
        if not stays:
            self.close()
        return told


@contextmanager
def line_to(port: int) -> Iterator[Line]:
    """Yield a connection to a server on this machine."""
    line = Line(port)
    try:
        yield line
    finally:
        line.close()


def answer_to(port: int, *parts: bytes) -> Told | None:
    """Send bytes, and end the sending half; return the answer, or None where there is none."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            return _answer(connection, b"GET")[0]
        except (HTTPException, ConnectionError):
            return None


def _answer(connection: socket.socket, method: bytes) -> tuple[Told, bool]:
    response = HTTPResponse(connection, method=method.decode("latin-1"))
    try:
        response.begin()
        body = response.read()
        stays = not response.will_close
        return Told(response.status, response.headers, body), stays
    finally:
        response.close()
