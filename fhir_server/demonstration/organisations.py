"""Who provides care: organisations by ODS code, and the services of a trust.

https://hl7.org/fhir/R4/organization.html, https://hl7.org/fhir/R4/healthcareservice.html
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.demonstration import words
from fhir_server.demonstration.codes import (
    ODS_ORGANISATION,
    ODS_ROLE,
    concept,
    identifier,
    reference,
)
from fhir_server.demonstration.trust import PRACTICES, Trust
from fhir_server.fhir.resource import Resource

SUPPLIER = "supplier-1"
COMMISSIONER = "icb-1"

_NHS_TRUST = concept(ODS_ROLE, "RO197", "NHS Trust")
_PRACTICE = concept(ODS_ROLE, "RO76", "GP Practice")
_CARE_PROVIDER = concept(ODS_ROLE, "RO104", "Social Care Provider")
_ICB = concept(ODS_ROLE, "RO318", "Integrated Care Board")
_INDEPENDENT = concept(ODS_ROLE, "RO172", "Independent Sector Healthcare Provider")


def shared_organisations() -> Iterator[Resource]:
    """Yield the organisations above and beside all trusts."""
    yield _organisation(COMMISSIONER, "Moor and Vale Integrated Care Board", "QZA", _ICB)
    yield _organisation(SUPPLIER, "Meridian Medical Supplies", "ZS1", _INDEPENDENT)


def organisations(trust: Trust) -> Iterator[Resource]:
    """Yield the trust, the GP practices of its area and the provider of its care homes."""
    yield _organisation(trust.id, f"{trust.name} NHS Trust", trust.ods, _NHS_TRUST) | {
        "partOf": reference("Organization", COMMISSIONER)
    }
    for number in range(1, PRACTICES + 1):
        key = trust.numbered("practice", number, PRACTICES)
        name = f"{words.TOWNS[number - 1]} Surgery, {trust.name}"
        yield _organisation(key, name, trust.site_code(80 + number), _PRACTICE)
    homes = f"{trust.name} Care Homes"
    yield _organisation(care_provider(trust), homes, trust.site_code(90), _CARE_PROVIDER)


def care_provider(trust: Trust) -> str:
    """Return the id of the organisation that runs the care homes."""
    return f"care-provider-{trust.number}"


def _organisation(logical_id: str, name: str, ods: str, role: Resource) -> Resource:
    return {
        "resourceType": "Organization",
        "id": logical_id,
        "identifier": [identifier(ODS_ORGANISATION, ods)],
        "active": True,
        "type": [role],
        "name": name,
    }
