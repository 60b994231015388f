"""What a node answers while its store is not open: it lives, is not ready, and asks to come back."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_server.fhir.errors import FhirError, Unreachable
from fhir_server.rest.answer import Header
from fhir_server.rest.rendering import error_answer

_NOT_YET = Unreachable("This node does not reach its store yet; please try again")
_JSON = (b"content-type", b"application/fhir+json; charset=utf-8")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


def refusing(error: FhirError) -> ASGIApp:
    """Return what answers every FHIR request with this error's OperationOutcome."""
    answer = error_answer(error)

    async def refuse(scope: Scope, _: Receive, send: Send) -> None:
        await _send(scope, send, answer.status, answer.body, (_JSON, *answer.headers))

    return refuse


waiting_fhir = refusing(_NOT_YET)
"""Answers a FHIR request with 503, Retry-After and an OperationOutcome."""


async def waiting_pages(scope: Scope, _: Receive, send: Send) -> None:
    """Answer what is not FHIR: that the process lives, and that nothing else is there yet."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/health/live":
        await _send(scope, send, 200, b"live", (_TEXT,))
    else:
        await _send(
            scope, send, 503, b"the store does not answer", (_TEXT, *error_answer(_NOT_YET).headers)
        )


async def _send(
    scope: Scope, send: Send, status: int, body: bytes, headers: tuple[Header, ...]
) -> None:
    length = (b"content-length", b"%d" % len(body))
    all_headers = [*headers, length, (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    sent = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": sent})
