"""What a node answers while its store is not open: it lives, is not ready, and asks to come back."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from fhir_server.fhir.errors import Unreachable
from fhir_server.rest.answer import Header
from fhir_server.rest.rendering import error_answer

_ANSWER = error_answer(Unreachable("This node does not reach its store yet; please try again"))
_JSON = (b"content-type", b"application/fhir+json; charset=utf-8")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


async def waiting_fhir(scope: Scope, _: Receive, send: Send) -> None:
    """Answer a FHIR request with 503, Retry-After and an OperationOutcome."""
    await _send(scope, send, _ANSWER.status, _ANSWER.body, (_JSON, *_ANSWER.headers))


async def waiting_pages(scope: Scope, _: Receive, send: Send) -> None:
    """Answer what is not FHIR: that the process lives, and that nothing else is there yet."""
    if scope["type"] != "http":
        return
    if scope["path"] == "/health/live":
        await _send(scope, send, 200, b"live", (_TEXT,))
    else:
        await _send(scope, send, 503, b"the store does not answer", (_TEXT, *_ANSWER.headers))


async def _send(
    scope: Scope, send: Send, status: int, body: bytes, headers: tuple[Header, ...]
) -> None:
    length = (b"content-length", b"%d" % len(body))
    all_headers = [*headers, length, (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    sent = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": sent})
