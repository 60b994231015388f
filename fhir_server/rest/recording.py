"""What each request is recorded as, entries of Bundles among them: the one place through which all answers pass.

Only addresses without data of people (`Route.open`) are left out, and what fits no route.
"""

from __future__ import annotations

from collections.abc import Awaitable
from http import HTTPStatus

from fhir_server.audit.event import Touched, shown
from fhir_server.audit.trail import Recording, Trail
from fhir_server.fhir.errors import FhirError, Forbidden
from fhir_server.rest.answer import Answer
from fhir_server.rest.content import Disconnected
from fhir_server.rest.rendering import error_answer
from fhir_server.rest.request import LONGEST_QUERY, Request
from fhir_server.rest.service import Route

_DECIDED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""Refusals whose message tells of the caller alone; others may quote what was sent."""


def recording_of(
    route: Route, request: Request, *, request_id: str, address: str, moment: int
) -> Recording:
    """Return what a request will be recorded as; who asks is not known yet."""
    return Recording(
        moment, _kind(route), request_id, _asked(request), address=address, rule="auth=none"
    )


def within(outer: Recording, route: Route, request: Request) -> Recording:
    """Return what an entry of a Bundle will be recorded as."""
    return Recording(
        outer.moment,
        _kind(route),
        outer.request_id,
        _asked(request),
        outer.agent,
        outer.address,
        outer.rule,
        audience=outer.audience,
        emergency=outer.emergency,
    )


async def recorded(
    trail: Trail, recording: Recording, request: Request, answering: Awaitable[Answer]
) -> Answer:
    """Return an answer, or the error as one, once it is recorded; raise Unavailable if it cannot be."""
    try:
        answer = await answering
    except FhirError as error:
        answer = error_answer(error)
        recording.note = str(error) if error.status in _DECIDED else ""
        if isinstance(error, Forbidden) and error.rule:
            recording.rule = error.rule
    except Disconnected:
        raise
    except Exception:
        await trail.record(recording.event(HTTPStatus.INTERNAL_SERVER_ERROR))
        raise
    if answer.status >= HTTPStatus.BAD_REQUEST:
        touched: tuple[Touched, ...] = ()
    elif recording.written:
        return answer
    else:
        touched = shown((answer.stored,) if answer.stored else answer.shown)
    if request.sent:
        recording.asked += ("&" if "?" in recording.asked else "?") + _shortened(request.sent)
    await trail.record(recording.event(answer.status, touched))
    return answer


def _shortened(sent: str) -> str:
    """Return what a body asked, no more of it than a URL could have asked."""
    return sent if len(sent) <= LONGEST_QUERY else sent[:LONGEST_QUERY] + "…"


def _kind(route: Route) -> str:
    return route.interactions[0] if route.interactions else "operation"


def _asked(request: Request) -> str:
    path = f"{request.method} {'/'.join(request.segments)}"
    return f"{path}?{request.query}" if request.query else path
