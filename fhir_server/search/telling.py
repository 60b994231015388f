"""Types that tell of other resources: who is denied one of those is denied what tells of it. Pure.

They name patients seldom: a Provenance has its targets, a Task its focus, a Binary its security context.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from fhir_server.fhir.resource import Resource
from fhir_server.search.parameter_types.reference import local

PROVENANCE = "Provenance"

TELLING = frozenset(
    {
        "AuditEvent",
        "Binary",
        "Bundle",
        "Contract",
        "EnrollmentResponse",
        "GuidanceResponse",
        "Linkage",
        "MessageHeader",
        "PaymentNotice",
        "PaymentReconciliation",
        PROVENANCE,
        "Task",
        "VerificationResult",
    }
)


def told_of(
    resource: Resource, mentions: Collection[str], kinds: Collection[str], base_url: str
) -> tuple[str, ...]:
    """Return what a resource tells of, as `Type/id`: its references to these types, where it mentions no patient.

    A Provenance tells of its targets whoever else it mentions: who wrote one resource may be the patient of another.
    """
    kind = resource["resourceType"]
    if mentions and kind != PROVENANCE:
        return ()
    named = (local(each, base_url) for each in _references(resource))
    found = {each for each in named if each.partition("/")[0] in kinds}
    return tuple(sorted(found - {f"{kind}/{resource.get('id', '')}"}))


def _references(element: Any) -> Iterable[str]:
    """Yield the references in an element, however deep."""
    if isinstance(element, dict):
        for key, value in element.items():
            if key == "reference" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(element, list):
        for each in element:
            yield from _references(each)
