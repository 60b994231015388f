"""Answers from what the interactions return, and from errors: the one place that does.

Stored bytes are sent as they are, or spliced into a Bundle.
"""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from fhir_server.fhir.errors import FhirError, MethodNotAllowed, Unavailable
from fhir_server.fhir.json import dump, parse_resource
from fhir_server.fhir.outcome import Issue, operation_outcome
from fhir_server.fhir.resource import Resource, Stored
from fhir_server.interactions.outcomes import Deleted, Saved
from fhir_server.policy.consents import read_consent
from fhir_server.rest.answer import Answer, Header
from fhir_server.rest.bearer import challenge
from fhir_server.rest.conditional import preferences
from fhir_server.rest.request import Request
from fhir_server.rest.spine import details_of

_ANY_ZONE = ZoneInfo("UTC")
"""Whether a moment can be understood does not depend on the zone."""


def stored_answer(stored: Stored) -> Answer:
    """Return the answer of a read."""
    return Answer(200, stored.body or b"", stored)


def saved_answer(request: Request, saved: Saved) -> Answer:
    """Return the answer of a create, update or patch, with as much as `Prefer` asks for."""
    stored = saved.stored
    location = f"{request.base_url}/{stored.key}/_history/{stored.version}"
    return Answer(201 if saved.created else 200, _returned(request, saved), stored, location)


def deleted_answer(request: Request, deleted: Deleted) -> Answer:
    """Return the answer of a delete: that something was there is told by an ETag alone."""
    if preferences(request.header(b"prefer")).returned != "OperationOutcome":
        return Answer(204, stored=deleted.stored)
    told = f"{deleted.stored.key} is deleted." if deleted.stored else "There was nothing to delete."
    return Answer(200, outcome_bytes([Issue("information", "informational", told)]), deleted.stored)


def error_answer(error: FhirError) -> Answer:
    """Return an error as an OperationOutcome."""
    headers: tuple[Header, ...] = ()
    if isinstance(error, MethodNotAllowed):
        headers = ((b"allow", ", ".join(error.allowed).encode()),)
    elif (demand := challenge(error)) is not None:
        headers = ((b"www-authenticate", demand),)
    elif isinstance(error, Unavailable):
        headers = ((b"retry-after", b"2"),)
    return Answer(
        error.status, outcome_bytes(error.issues, details_of(type(error))), headers=headers
    )


def failure_answer(request_id: str) -> Answer:
    """Return the answer to what nobody foresaw; the details are for the log alone."""
    told = f"The server failed to answer; its log knows the request as {request_id}."
    return Answer(500, outcome_bytes([Issue("fatal", "exception", told)], details_of(FhirError)))


def outcome_bytes(issues: Iterable[Issue], details: Resource | None = None) -> bytes:
    """Return an OperationOutcome as JSON."""
    return dump(operation_outcome(issues, details))


def _returned(request: Request, saved: Saved) -> bytes:
    match preferences(request.header(b"prefer")).returned:
        case "minimal":
            return b""
        case "OperationOutcome":
            informed = Issue("information", "informational", _told(saved))
            return outcome_bytes([informed, *_doubts(request, saved.stored)])
        case "representation":
            return saved.stored.body or b""


def _told(saved: Saved) -> str:
    if saved.created:
        return f"{saved.stored.key} is created."
    return f"{saved.stored.key} is {'updated' if saved.changed else 'unchanged'}."


def _doubts(request: Request, stored: Stored) -> list[Issue]:
    """Return what of a Consent is not applied as it was meant, for who writes it."""
    if stored.key.type != "Consent" or stored.body is None:
        return []
    read = read_consent(parse_resource(stored.body), zone=_ANY_ZONE, base_url=request.base_url)
    return [Issue("warning", "not-supported", each) for each in read.problems]
