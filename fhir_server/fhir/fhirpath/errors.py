"""What can go wrong in a FHIRPath expression."""

from __future__ import annotations

from fhir_server.fhir.errors import BadRequest


class FhirPathError(BadRequest):
    """The expression cannot be parsed, or has no result on this input."""
