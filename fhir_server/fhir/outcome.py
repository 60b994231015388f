"""OperationOutcome: https://hl7.org/fhir/R4/operationoutcome.html."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_server.fhir.resource import Resource


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing to tell: how bad, which kind, what, and where (a FHIRPath expression)."""

    severity: str
    code: str
    diagnostics: str
    expression: str | None = None


def operation_outcome(issues: Iterable[Issue], details: Resource | None = None) -> Resource:
    """Return the issues as a resource; `details` is a CodeableConcept that holds of all of them."""
    found = [_as_element(each, details) for each in issues]
    return {"resourceType": "OperationOutcome", "issue": found}


def _as_element(issue: Issue, details: Resource | None) -> Resource:
    element: Resource = {
        "severity": issue.severity,
        "code": issue.code,
        **({"details": details} if details else {}),
        "diagnostics": _shown(issue.diagnostics),
    }
    if issue.expression:
        element["expression"] = [_shown(issue.expression)]
    return element


def _shown(text: str) -> str:
    """Return a text so that every format can hold it: it may repeat what a client sent."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else f"\\u{ord(each):04x}" for each in text
    )
