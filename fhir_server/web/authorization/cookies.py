"""The one cookie: the name of the session.

https://www.rfc-editor.org/rfc/rfc6265, https://httpwg.org/http-extensions/draft-ietf-httpbis-rfc6265bis.html
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request, Response

_LONGEST = 128


@dataclass(frozen=True, slots=True)
class Cookie:
    """The session's cookie; with HTTPS no other host, path or protocol can set it.

    Cookies know no ports: without HTTPS, `port` keeps the nodes of one machine apart.
    """

    secure: bool
    port: int

    @property
    def name(self) -> str:
        """What it is called."""
        return "__Host-session" if self.secure else f"session-{self.port}"

    def read(self, request: Request) -> str | None:
        """Return what the browser sent; None without it, and for what is none of ours."""
        value = request.cookies.get(self.name, "")
        return value if 0 < len(value) <= _LONGEST and value.isascii() else None

    def set(self, response: Response, value: str) -> None:
        """Have the browser keep it until it is closed."""
        # Lax: with Strict, a sign-in would be forgotten on the way from an app, or from another provider.
        response.set_cookie(
            self.name, value, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def clear(self, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(
            self.name, path="/", secure=self.secure, httponly=True, samesite="lax"
        )
