"""What a large population refers to: its organisations, sites and practitioners."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.demonstration import words
from fhir_server.demonstration.codes import (
    BED_STATUS,
    ODS_ORGANISATION,
    ODS_SITE,
    PHYSICAL_TYPE,
    SDS_USER,
    identifier,
    reference,
)
from fhir_server.demonstration.identifiers import site_code, trust_code
from fhir_server.fhir.resource import Resource

ORGANISATIONS = len(words.TRUSTS)
PRACTITIONERS = 3 * ORGANISATIONS
LOCATIONS = 4 * ORGANISATIONS


def organisation_id(number: int) -> str:
    """Return the id of the n-th Organization, from 1."""
    return f"organization-{number:02}"


def practitioner_id(number: int) -> str:
    """Return the id of the n-th Practitioner, from 1."""
    return f"practitioner-{number:03}"


def location_id(number: int) -> str:
    """Return the id of the n-th Location, from 1."""
    return f"location-{number:03}"


def frame() -> Iterator[Resource]:
    """Yield the organisations, then who works for them, then where."""
    for number, name in enumerate(words.TRUSTS, 1):
        yield _organisation(number, name)
    for number in range(1, PRACTITIONERS + 1):
        yield _practitioner(number)
    for number in range(1, LOCATIONS + 1):
        yield _location(number)


def _organisation(number: int, name: str) -> Resource:
    return {
        "resourceType": "Organization",
        "id": organisation_id(number),
        "identifier": [identifier(ODS_ORGANISATION, trust_code(number))],
        "active": True,
        "name": f"{name} NHS Trust",
    }


def _practitioner(number: int) -> Resource:
    family = words.FAMILIES[number % len(words.FAMILIES)]
    given = words.GIVEN_FEMALE[number % len(words.GIVEN_FEMALE)]
    return {
        "resourceType": "Practitioner",
        "id": practitioner_id(number),
        "identifier": [identifier(SDS_USER, f"{number:012}")],
        "active": True,
        "name": [{"family": family, "given": [given], "prefix": ["Dr"]}],
    }


def _location(number: int) -> Resource:
    owner, site = 1 + (number - 1) % ORGANISATIONS, 1 + (number - 1) // ORGANISATIONS
    return {
        "resourceType": "Location",
        "id": location_id(number),
        "identifier": [identifier(ODS_SITE, site_code(owner, site))],
        "status": "active",
        "operationalStatus": BED_STATUS["U" if number % 3 == 0 else "O"],
        "name": f"{words.TRUSTS[owner - 1]} {words.STREETS[site]} Ward",
        "mode": "instance",
        "physicalType": PHYSICAL_TYPE["wa"],
        "managingOrganization": reference("Organization", organisation_id(owner)),
    }
