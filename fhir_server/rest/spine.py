"""Errors by the codes that NHS services use, beside FHIR's own: `OperationOutcome.issue.details`.

https://simplifier.net/nhsdigital/nhsdigital-errororwarningcode
"""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.fhir.errors import (
    BadRequest,
    BadSyntax,
    FhirError,
    Forbidden,
    Gone,
    InvalidResource,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    NotSupported,
    PreconditionFailed,
    TooCostly,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    VersionConflict,
)
from fhir_server.fhir.resource import Resource
from fhir_server.rest.routing import NotServed

SYSTEM = "https://fhir.nhs.uk/R4/CodeSystem/Spine-ErrorOrWarningCode"

_DENIED = ("ACCESS_DENIED", "Access has been denied to process this request")
_UNSUPPORTED = ("UNSUPPORTED_SERVICE", "Unsupported service")
_INVALID = ("VALIDATION_ERROR", "Validation error")
_VALUE = ("INVALID_VALUE", "Provided value is invalid")

CODES: Mapping[type[FhirError], tuple[str, str]] = {
    BadSyntax: _INVALID,
    NotSupported: _UNSUPPORTED,
    BadRequest: _VALUE,
    InvalidResource: _INVALID,
    Unauthenticated: _DENIED,
    TooCostly: ("INVALID_SEARCH_DATA", "Invalid search data"),
    Forbidden: _DENIED,
    NotServed: _UNSUPPORTED,
    NotFound: ("RESOURCE_NOT_FOUND", "Resource not found"),
    Gone: ("INVALIDATED_RESOURCE", "Invalidated resource"),
    MethodNotAllowed: _UNSUPPORTED,
    NotAcceptable: _UNSUPPORTED,
    UnsupportedMediaType: _UNSUPPORTED,
    VersionConflict: ("RESOURCE_VERSION_MISMATCH", "Resource version mismatch"),
    PreconditionFailed: ("PRECONDITION_FAILED", "Precondition failed"),
    TooLarge: _VALUE,
    Unavailable: ("UNABLE_TO_CALL_SERVICE", "Unable to call service"),
    FhirError: ("FAILURE_TO_PROCESS_MESSAGE", "Failure to process message"),
}
"""By the error or what it is a kind of, the nearest first."""


def details_of(error: type[FhirError]) -> Resource:
    """Return an error as a CodeableConcept."""
    code, display = next(CODES[each] for each in error.__mro__ if each in CODES)
    return {"coding": [{"system": SYSTEM, "code": code, "display": display}]}
