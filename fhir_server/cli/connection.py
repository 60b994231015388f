"""A client's connection, as uvicorn keeps it, but for its end."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


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
