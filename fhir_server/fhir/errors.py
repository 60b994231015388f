"""What can go wrong, named by what happened.

Each error knows its HTTP status and FHIR issue code (https://hl7.org/fhir/R4/valueset-issue-type.html);
`fhir_server.rest.rendering` is the one place that turns it into an OperationOutcome.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from fhir_server.fhir.outcome import Issue

_SHOWN = 100


def shown(text: str) -> str:
    """Return what a client sent as a message repeats it: of a long text the beginning."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class FhirError(Exception):
    """An answer that is no success; the message is for the person at the other end."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "exception"

    def __init__(self, message: str, *, expression: str | None = None) -> None:
        super().__init__(message)
        self.expression = expression

    @property
    def issues(self) -> tuple[Issue, ...]:
        """The issues of the OperationOutcome that tells of it."""
        return (Issue("error", self.code, str(self), self.expression),)


class BadRequest(FhirError):
    """The request cannot be understood."""

    status = 400
    code = "invalid"


class BadSyntax(BadRequest):
    """The body is not the JSON or XML of a resource."""

    code = "structure"


class NotSupported(BadRequest):
    """The request is understood, and not served here."""

    code = "not-supported"


class InvalidResource(FhirError):
    """The resource breaks a rule of the specification; `issues` names each."""

    status = 422
    code = "invalid"

    def __init__(self, issues: Iterable[Issue]) -> None:
        self._issues = tuple(issues)
        super().__init__("; ".join(each.diagnostics for each in self._issues[:3]))

    @property
    def issues(self) -> tuple[Issue, ...]:
        """Every rule that was broken, with its place."""
        return self._issues


class Unauthenticated(FhirError):
    """Nobody is known to ask: there is no token, or (`sent`) none that is good here."""

    status = 401
    code = "login"

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Forbidden(FhirError):
    """The caller may not do this; `rule` names what says so, for the record."""

    status = 403
    code = "forbidden"

    def __init__(self, message: str, *, expression: str | None = None, rule: str = "") -> None:
        super().__init__(message, expression=expression)
        self.rule = rule


class InsufficientScope(Forbidden):
    """The scopes of the caller's token do not reach so far."""


class NotFound(FhirError):
    """No such resource, or none that this caller may see."""

    status = 404
    code = "not-found"


class Gone(FhirError):
    """The resource was deleted."""

    status = 410
    code = "deleted"


class MethodNotAllowed(FhirError):
    """The address exists, and does not take this method."""

    status = 405
    code = "not-supported"

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class NotAcceptable(FhirError):
    """None of the formats that the client accepts is written here."""

    status = 406
    code = "not-supported"


class VersionConflict(FhirError):
    """Someone else wrote in the meantime, and the retries did not help."""

    status = 409
    code = "conflict"


class PreconditionFailed(FhirError):
    """If-Match or the criteria of a conditional interaction do not hold."""

    status = 412
    code = "conflict"


class MultipleMatches(PreconditionFailed):
    """The criteria of a conditional interaction match more than one resource."""

    code = "multiple-matches"


class PreconditionRequired(FhirError):
    """The request would write over what may have changed: it has to name the version that it is of.

    https://www.rfc-editor.org/rfc/rfc6585#section-3
    """

    status = 428
    code = "required"


class TooLarge(FhirError):
    """The body is larger than this server takes."""

    status = 413
    code = "too-long"


class UnsupportedMediaType(FhirError):
    """The body is in a format that is not read here."""

    status = 415
    code = "not-supported"


class TooCostly(FhirError):
    """The answer would need more work than one request may cause."""

    status = 403
    code = "too-costly"


class Unavailable(FhirError):
    """The server cannot do this now; the same request may succeed later."""

    status = 503
    code = "transient"


class UnknownOutcome(FhirError):
    """Another server was asked to write, and did not say clearly whether it did."""

    status = 504
    code = "timeout"


class Unreachable(Unavailable):
    """The store does not answer: it may come back by itself."""


class OutdatedIndex(Unavailable):
    """The search parameters changed since the request was read: it is to be run again under the new ones."""
