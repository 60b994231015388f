"""What the tests of validation share: one validator, small resources, and verdicts in brief."""

from __future__ import annotations

from typing import Any

from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.fhir.resource import Resource
from tests.support.data import ROOT

DEFINITIONS = definitions_in(ROOT / "profiles" / "r4")
VALIDATOR = Validator(DEFINITIONS)


def verdict(resource: Any) -> list[str]:
    """Return each issue of a resource as `code at place`."""
    return [f"{issue.code} at {issue.expression}" for issue in VALIDATOR.validate(resource)]


def told(resource: Any) -> str:
    """Return what the first issue of a resource tells people."""
    return VALIDATOR.validate(resource)[0].diagnostics


def a_patient(**fields: Any) -> Resource:
    """Return a Patient with some properties."""
    return {"resourceType": "Patient", **fields}


def an_observation(**fields: Any) -> Resource:
    """Return a valid Observation with some properties."""
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}} | fields


def an_extension(name: str, value: Any) -> Resource:
    """Return a Patient with one extension of some type: `valueDate`."""
    return a_patient(extension=[{"url": "http://example.org/x", name: value}])
