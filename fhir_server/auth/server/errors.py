"""What an authorization server refuses: https://www.rfc-editor.org/rfc/rfc6749#section-5.2 and 4.1.2.1."""

from __future__ import annotations

from typing import ClassVar


class OAuthError(Exception):
    """A refusal of the token endpoint and its neighbours; `error` is the code of OAuth, the message for people."""

    status: ClassVar[int] = 400
    error: ClassVar[str] = "invalid_request"


class InvalidRequest(OAuthError):
    """The request is incomplete, or says a thing twice."""


class InvalidClient(OAuthError):
    """The client is unknown, or has not shown that it is itself."""

    status = 401
    error = "invalid_client"


class InvalidGrant(OAuthError):
    """The code or refresh token is not good, not any more, or not for this client."""

    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    """The client is not registered for this kind of grant."""

    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """There is no such kind of grant here."""

    error = "unsupported_grant_type"


class InvalidScope(OAuthError):
    """Nothing of what is asked for can be given to this client."""

    error = "invalid_scope"


class TooManyAttempts(OAuthError):
    """Too many attempts failed; `seconds` tells when the next one is looked at."""

    status = 429
    error = "temporarily_unavailable"

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class ShownError(Exception):
    """An authorization request that is refused on a page: it is not known where to, or not safe, to redirect."""


class RedirectedError(Exception):
    """An authorization request that is refused by sending the browser back to the app, at `url`."""

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.url = url
