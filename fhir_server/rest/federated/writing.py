"""Writes to the one member that holds a resource: sent once, by whom it was read, and its bytes are the answer.

A write that got no clear answer may have been done. `If-Match` is required, so that sending it again does it once at most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

from fhir_server.federation.calling import line_for, system_scopes
from fhir_server.federation.lines import Line
from fhir_server.federation.tokens import Tokens
from fhir_server.federation.transport import Failed, Reply
from fhir_server.federation.writes import Write, Writes
from fhir_server.fhir.errors import (
    BadRequest,
    BadSyntax,
    Forbidden,
    PreconditionRequired,
    Unavailable,
    UnknownOutcome,
    UnsupportedMediaType,
)
from fhir_server.fhir.json import dump, parse, parse_resource
from fhir_server.fhir.outcome import Issue, operation_outcome
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.rest.answer import Answer
from fhir_server.rest.conditional import refuse_if_none_match
from fhir_server.rest.federated.callers import Admission
from fhir_server.rest.federated.reaching import names_of
from fhir_server.rest.negotiation import JSON_PATCH, media_type
from fhir_server.rest.request import Request

METHODS: dict[str, Write] = {"PUT": "update", "PATCH": "patch"}

_JSON = ("application/fhir+json", "application/json")
_SENT = (b"if-match", b"content-type", b"prefer")
_TOLD = ("etag", "last-modified")
_TAG = re.compile(r'\s*(?:W/)?"[^"]+"\s*')
_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class Target:
    """What is written: a resource of a member."""

    member: str
    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.member}/{self.type}/{self.id}"


def target_of(request: Request, writes: Writes) -> Target:
    """Return what a request may write; raise Forbidden, BadRequest or PreconditionRequired."""
    target = Target(*request.segments)
    if METHODS[request.method] not in writes.get(target.type, ()):
        written = ", ".join(sorted(writes)) or "nothing"
        raise Forbidden(
            f"{METHODS[request.method]} of {target.type} is not among what is written through this server ({written}):"
            f" ask the member {target.member} itself."
        )
    if LOGICAL_ID.match(target.id) is None:
        raise BadRequest(f"{target.id[:70]!r} is no logical id.")
    refuse_if_none_match(request)
    if _TAG.fullmatch(request.header(b"if-match")) is None:
        raise PreconditionRequired(
            f"A write to {target} needs the version that it is of: If-Match with the ETag that reading it gives."
        )
    return target


def line_to_write(
    line: Line, request: Request, admission: Admission | None, tokens: Tokens
) -> Line:
    """Return the line by which a caller writes at a member: asked for what the caller's own scopes let change."""
    if admission is None or request.caller is None:
        return line_for(line, None, tokens)
    return line_for(line, admission.calling, tokens, system_scopes(request.caller.access, "ru"))


async def write(line: Line, target: Target, request: Request, *, until: float) -> Answer:
    """Send a write to its member, once; raise Unavailable where it was not done, UnknownOutcome where nobody knows.

    Nothing that was sent is answered with BadRequest or OutdatedIndex: after these a request is run again.
    """
    content = await _content(request, target)
    url = f"{line.member.base}/{target.type}/{target.id}"
    headers = {**names_of(request), "accept": _JSON[0]}
    headers |= {name.decode(): request.header(name) for name in _SENT if request.header(name)}
    try:
        reply = await line.send(request.method, url, headers, content, until=until)
    except Failed as failure:
        raise _failed(target, failure) from failure
    return _answer(target, reply)


async def _content(request: Request, target: Target) -> bytes:
    """Return the body as it came; raise BadRequest or UnsupportedMediaType for one that cannot be meant for this."""
    kind = media_type(request.header(b"content-type"))
    readable = (*_JSON, JSON_PATCH) if request.method == "PATCH" else _JSON
    if kind not in readable:
        raise UnsupportedMediaType(
            f"What is written through this server is sent as {' or '.join(readable)}; this is {kind or 'of no type'!r}."
        )
    content = await request.read()
    if request.method == "PUT":
        resource = parse_resource(content)
        found = (resource["resourceType"], resource.get("id"))
        if found != (target.type, target.id):
            raise BadRequest(f"The body is {found[0]}/{found[1]}, and is sent to {target}.")
    return content


def _failed(target: Target, failure: Failed) -> Unavailable | UnknownOutcome:
    told = f"{failure.state} {failure}".strip()
    if failure.sent:
        return _unknown(target, told)
    return Unavailable(f"Nothing was written: the member {target.member} was not reached ({told}).")


def _unknown(target: Target, told: str) -> UnknownOutcome:
    return UnknownOutcome(
        f"Whether {target} was written is not known: the member gave no clear answer ({told}). Read it, or send the"
        " same again with the same If-Match, which is done once at most."
    )


def _answer(target: Target, reply: Reply) -> Answer:
    status = reply.status
    if status in _REFUSALS:
        raise Forbidden(
            f"The member {target.member} does not let this server write {target.type} there."
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Unavailable(f"Nothing was written: the member {target.member} is too busy (429).")
    if not _is_final(status):
        raise _unknown(target, f"it answered {status}")
    headers = tuple(
        (name.encode(), reply.headers[name].encode("latin-1"))
        for name in _TOLD
        if name in reply.headers
    )
    return Answer(status, _body(target, reply), headers=headers)


def _is_final(status: int) -> bool:
    """Tell whether a status says that it was done, or that it was refused."""
    return 200 <= status < 300 or 400 <= status < 500  # noqa: PLR2004 - the classes of RFC 9110


def _body(target: Target, reply: Reply) -> bytes:
    """Return the member's bytes where they are a resource, else what the status says in our words."""
    if not reply.content:
        return b""
    try:
        body = parse(reply.content)
    except BadSyntax:
        body = None
    if isinstance(body, dict) and isinstance(body.get("resourceType"), str):
        return reply.content
    well = reply.status < HTTPStatus.BAD_REQUEST
    issue = Issue(
        "information" if well else "error",
        "informational" if well else "processing",
        f"The member {target.member} answered {reply.status}, in a form that is no FHIR.",
    )
    return dump(operation_outcome([issue]))
