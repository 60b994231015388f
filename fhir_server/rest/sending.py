"""The last step of an answer: its format, its headers, and the two ASGI messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from fhir_server.fhir.json import dump_pretty, parse
from fhir_server.fhir.xml import to_xml
from fhir_server.rest.answer import Answer, Header, version_headers
from fhir_server.rest.compression import SMALLEST, accepts_gzip, gzipped
from fhir_server.rest.naming import is_name
from fhir_server.rest.negotiation import Format
from fhir_server.rest.service import Service

Message: TypeAlias = dict[str, Any]

_BODILESS = frozenset({204, 304})
_JSON, _XML = ((b"content-type", f"{each.value}; charset=utf-8".encode()) for each in Format)
_ALWAYS: tuple[Header, ...] = (
    (b"vary", b"accept, accept-encoding, origin, prefer"),
    # A client may keep what it read, and asks with If-None-Match whether it still holds.
    (b"cache-control", b"private, no-cache"),
)


class Asked(Protocol):
    """What a client wants of the form of its answer; `readers` are the origins whose pages may read this one."""

    method: str
    headers: Mapping[bytes, bytes]
    id: str
    format: Format
    pretty: bool
    readers: frozenset[str]


async def messages(service: Service, asked: Asked, answer: Answer) -> tuple[Message, Message]:
    """Return the messages that start and end a response."""
    headers = version_headers(answer)
    headers += _ALWAYS
    headers += answer.headers
    headers.append((b"x-request-id", asked.id.encode()))
    correlation = asked.headers.get(b"x-correlation-id")
    if correlation is not None and is_name(correlation):
        headers.append((b"x-correlation-id", correlation))
    if b"origin" in asked.headers and asked.method != "OPTIONS":
        headers += service.cross_origin.headers(asked.headers, asked.readers)
    if answer.status == 413:  # noqa: PLR2004 - the rest of the body stays unread
        headers.append((b"connection", b"close"))
    body = b""
    if answer.status not in _BODILESS:
        body = _body(service, asked, answer, headers)
        accepted = asked.headers.get(b"accept-encoding")
        if accepted is not None and len(body) > SMALLEST and accepts_gzip(accepted):
            body = await gzipped(body)
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", b"%d" % len(body)))
    return (
        {"type": "http.response.start", "status": answer.status, "headers": headers},
        {"type": "http.response.body", "body": b"" if asked.method == "HEAD" else body},
    )


def _body(service: Service, asked: Asked, answer: Answer, headers: list[Header]) -> bytes:
    body = answer.body
    if answer.media_type is not None:
        headers.append((b"content-type", answer.media_type.encode()))
    elif body:
        is_json = asked.format is Format.JSON
        headers.append(_JSON if is_json else _XML)
        if asked.pretty or not is_json:
            body = _formatted(service, asked, body)
    return body


def _formatted(service: Service, asked: Asked, body: bytes) -> bytes:
    resource = parse(body)
    if asked.format is Format.JSON:
        return dump_pretty(resource)
    return to_xml(resource, service.definitions, pretty=asked.pretty)
