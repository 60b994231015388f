"""The token of a request: in its header Authorization, and nowhere else.

https://www.rfc-editor.org/rfc/rfc6750
"""

from __future__ import annotations

from fhir_server.auth.caller import Caller, Callers
from fhir_server.fhir.errors import BadRequest, FhirError, InsufficientScope, Unauthenticated
from fhir_server.rest.request import Request

_CHALLENGE = b'Bearer realm="fhir"'


async def caller_of(callers: Callers, request: Request, *, now: int) -> Caller:
    """Return who asks; raise Unauthenticated, BadRequest, or Unavailable where that cannot be told."""
    if any(name == "access_token" for name, _ in request.pairs):
        raise BadRequest(
            "A token is sent in the header Authorization: in a URL it would be kept in logs."
        )
    return await callers.authenticate(_token(request.header(b"authorization")), now=now)


def _token(header: str) -> str:
    if not header:
        raise Unauthenticated("This needs a token: Authorization: Bearer …", sent=False)
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("This needs a token: Authorization: Bearer …", sent=True)
    # Of two headers this is a list, and no token at all.
    return token.strip(" ")


def challenge(error: FhirError) -> bytes | None:
    """Return the WWW-Authenticate header of a refusal; None for what a token would not mend."""
    match error:
        case Unauthenticated(sent=False):
            return _CHALLENGE
        case Unauthenticated():
            return _CHALLENGE + b', error="invalid_token"'
        case InsufficientScope():
            return _CHALLENGE + b', error="insufficient_scope"'
        case _:
            return None
