"""Which resource types may tell of people, even where they name nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_server.fhir import nhs_number

NHS_NUMBER = nhs_number.SYSTEM
"""The identifier system by which several Patient resources are one person."""

BESIDES = frozenset(
    {
        "BiologicallyDerivedProduct",
        "Binary",
        "Bundle",
        "Contract",
        "Device",
        "EnrollmentResponse",
        "GuidanceResponse",
        "Linkage",
        "MessageHeader",
        "OperationOutcome",
        "Parameters",
        "Patient",
        "PaymentNotice",
        "PaymentReconciliation",
        "Subscription",
        "Task",
        "VerificationResult",
    }
)
"""What the Patient compartment leaves out: letters, work and messages about a patient, what was made of one."""


def personal_types(compartment: Iterable[str]) -> frozenset[str]:
    """Return the types that may tell of people, by those of the Patient compartment."""
    return BESIDES.union(compartment)
