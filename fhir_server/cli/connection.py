"""A client's connection, as uvicorn keeps it, but for its end, and for addresses that are far too long."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from fhir_server.fhir.json import dump
from fhir_server.fhir.outcome import Issue, operation_outcome

LONGEST_ADDRESS = 65_535
"""Bytes of an address that the parser takes: of a longer one no more are kept."""

_SHOWN = 100


class Connection(HttpToolsProtocol):
    """Answers what was asked before the client ended its sending half, as `nc -N` does; uvicorn hangs up on it.

    https://www.rfc-editor.org/rfc/rfc9293.html#section-3.6
    """

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio asks for it, uvicorn always says None
        """Return whether the connection stays until its last answer is sent."""
        asked = self.cycle
        if asked is None or asked.more_body or asked.response_complete:  # type: ignore[redundant-expr]  # None at first
            return None
        if self.scheme == "https":
            # asyncio cannot half close what is encrypted.
            return None
        asked.keep_alive = False
        return True

    def on_url(self, url: bytes) -> None:
        """Take a part of the address, as far as it can still be read."""
        super().on_url(url[: LONGEST_ADDRESS + 1 - len(self.url)])

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP that can be read, and hang up: an address that is too long by an outcome."""
        if len(self.url) <= LONGEST_ADDRESS:
            super().send_400_response(msg)
            return
        body = _too_long(self.url)
        own = [
            (b"content-type", b"application/fhir+json; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        lines = [b"%s: %s\r\n" % each for each in (*self.server_state.default_headers, *own)]
        self.transport.write(b"".join((STATUS_LINE[400], *lines, b"\r\n", body)))
        self.transport.close()


def _too_long(address: bytes) -> bytes:
    """Return the outcome for it."""
    told = (
        f"{address[:_SHOWN].decode('latin-1')}…: the address is longer than {LONGEST_ADDRESS} bytes. "
        "A longer search can be sent as POST [type]/_search."
    )
    return dump(operation_outcome([Issue("error", "too-long", told)]))
