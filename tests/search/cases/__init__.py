"""What the specification says of search, as tables: https://hl7.org/fhir/R4/search.html.

Each rule is a sentence, a resource, the queries that find it and those that do not.
`test_truth_table` runs them against the oracle; a store may be given the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.resource import Resource


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence of the specification, and what follows from it for one resource, `beside` others."""

    says: str
    resource: Resource
    found_by: tuple[str, ...] = ()
    not_found_by: tuple[str, ...] = ()
    beside: tuple[Resource, ...] = ()


def a(resource_type: str, **elements: Any) -> Resource:
    """Return a resource with the id `ada`."""
    return {"resourceType": resource_type, "id": "ada", **elements}
