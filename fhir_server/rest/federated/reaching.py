"""How a caller reaches the members: who that is, for how long it waits, and by what names members find the request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex

from fhir_server.federation.calling import reached
from fhir_server.federation.hub import HEADERS, Hub
from fhir_server.federation.search import Party
from fhir_server.federation.sparing import Shapes
from fhir_server.federation.tokens import Tokens
from fhir_server.fhir.errors import BadRequest, shown
from fhir_server.policy.decision import Enforcement
from fhir_server.rest.federated.callers import Admission, admitted
from fhir_server.rest.request import Request
from fhir_server.rest.service import Service
from fhir_server.rest.tracing import forwarded

DEADLINE = b"x-request-deadline"
"""A header: the seconds after which the caller does not wait any more."""

SECONDS, SHORTEST, LONGEST = 5.0, 0.1, 60.0

RESERVED = 0.1
"""Seconds of these that are kept to answer in, a fifth at most: members are waited for until then."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The way to members; `tokens` are the hub's own there, what they answer is decided on by `enforcement`.

    `shapes` are by what members are left unasked that have nobody whom a search names.
    """

    hub: Hub
    tokens: Tokens
    enforcement: Enforcement
    shapes: Shapes

    async def members(
        self, service: Service, request: Request, letters: str
    ) -> tuple[Admission | None, Sequence[Party]]:
        """Return the members as the caller reaches them, and who that is; raise Forbidden before anybody is asked."""
        admission = None
        if request.caller is not None:
            admission = admitted(service, request, letters, self.enforcement)
        parties = await self.hub.parties(service.register.current.extractor, now=service.clock())
        if admission is None:
            return None, reached(parties, None, self.tokens)
        return admission, admission.to(parties, self.tokens, headers_of(request))


def names_of(request: Request) -> Mapping[str, str]:
    """Return the headers by which a request to a member goes by the same names in both servers' logs."""
    return forwarded(request.headers, request.name, request.trace, token_hex)


def headers_of(request: Request) -> Mapping[str, str]:
    """Return what goes with each request that reads of a member."""
    return {**HEADERS, **names_of(request)}


def deadline_of(request: Request) -> float:
    """Return the moment of the event loop until which members are waited for; raise BadRequest."""
    text = request.header(DEADLINE)
    try:
        seconds = float(text) if DEADLINE in request.headers else SECONDS
    except ValueError:
        seconds = 0.0
    if not SHORTEST <= seconds <= LONGEST:
        raise BadRequest(
            f"X-Request-Deadline: {shown(text)} is no number of seconds from {SHORTEST} to {LONGEST:.0f}."
        )
    return asyncio.get_running_loop().time() + seconds - min(RESERVED, seconds / 5)
