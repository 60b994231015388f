"""One resource of one member, as the caller may see it; and what goes with each request to a member."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fhir_server.federation.answers import Match, MemberPage
from fhir_server.federation.hub import HEADERS
from fhir_server.federation.search import Party
from fhir_server.federation.transport import Absent, Failed
from fhir_server.fhir.errors import BadRequest, BadSyntax, NotFound, Unavailable, shown
from fhir_server.fhir.json import parse
from fhir_server.rest.request import Request
from fhir_server.rest.sending import NAME

DEADLINE = b"x-request-deadline"
"""A header: the seconds after which the caller does not wait any more."""

SECONDS, SHORTEST, LONGEST = 5.0, 0.1, 60.0


async def resource_of(
    party: Party, kind: str, logical_id: str, request: Request
) -> tuple[bytes, Match]:
    """Return a member's resource; raise NotFound where it is absent or hidden, Unavailable without an answer."""
    member = party.line.member.id
    try:
        return await _read(party, kind, logical_id, request)
    except Absent as absent:
        raise NotFound(f"The member {member} has no {kind}/{logical_id}.") from absent
    except Failed as failure:
        told = f"{failure.state} {failure}".strip()
        raise Unavailable(f"The member {member} gave no answer: {told}") from failure


async def _read(party: Party, kind: str, logical_id: str, request: Request) -> tuple[bytes, Match]:
    """Return a member's resource, if it may be shown; raise Absent if not, as if it were not there, and Failed."""
    until = deadline_of(request)
    url = f"{party.line.member.base}/{kind}/{logical_id}"
    content = _one(await party.line.get(url, headers_of(request), until=until), kind, logical_id)
    found = Match(url, content, kind, logical_id)
    if party.clearing is not None:
        page = MemberPage((found,), (), None, None, frozenset(), warned=False)
        if not (await party.clearing.cleared(page, until=until)).matches:
            raise Absent("unsupported", "")
    return content, found


def headers_of(request: Request) -> Mapping[str, str]:
    """Return what goes with each request to a member: the name of this one, so that logs can be put together."""
    correlation = request.headers.get(b"x-correlation-id", b"")
    told = correlation.decode() if NAME.fullmatch(correlation) else request.name
    return {**HEADERS, "x-request-id": request.name, "x-correlation-id": told}


def deadline_of(request: Request) -> float:
    """Return the moment of the event loop until which the caller waits; raise BadRequest."""
    text = request.header(DEADLINE)
    try:
        seconds = float(text) if text else SECONDS
    except ValueError:
        seconds = 0.0
    if not SHORTEST <= seconds <= LONGEST:
        raise BadRequest(
            f"X-Request-Deadline: {shown(text)} is no number of seconds from {SHORTEST} to {LONGEST:.0f}."
        )
    return asyncio.get_running_loop().time() + seconds


def _one(content: bytes, kind: str, logical_id: str) -> bytes:
    """Return the resource that a member answered a read with; raise Unavailable for anything else."""
    try:
        head = parse(content)
    except BadSyntax as error:
        raise Unavailable("The member answered what is no resource.") from error
    if not isinstance(head, dict) or (head.get("resourceType"), head.get("id")) != (
        kind,
        logical_id,
    ):
        raise Unavailable("The member answered another resource than was asked for.")
    return content
