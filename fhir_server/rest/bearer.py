"""The token of a request: in its header Authorization, and nowhere else.

https://www.rfc-editor.org/rfc/rfc6750
"""

from __future__ import annotations

import re

from fhir_server.auth.caller import Caller, Callers
from fhir_server.fhir.errors import BadRequest, FhirError, InsufficientScope, Unauthenticated
from fhir_server.rest.request import Request

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9\-._~+/]+=*)")
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
    found = _BEARER.fullmatch(header)
    if found is None:
        # Two headers are one list here, and so no token at all.
        raise Unauthenticated("This needs one token: Authorization: Bearer …", sent=True)
    return found[1]


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
