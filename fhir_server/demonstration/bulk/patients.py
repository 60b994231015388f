"""The patients of a large population."""

from __future__ import annotations

from datetime import timedelta

from fhir_server.demonstration import words
from fhir_server.demonstration.bulk.frame import ORGANISATIONS, organisation_id
from fhir_server.demonstration.bulk.source import Source
from fhir_server.demonstration.codes import NHS_NUMBER, identifier, reference
from fhir_server.demonstration.identifiers import nhs_number, trust_code
from fhir_server.demonstration.people import VERIFIED
from fhir_server.demonstration.trust import chance
from fhir_server.fhir.resource import Resource

BUSIEST = 0
"""The number of the patient who has the most resources by far."""

_OLDEST_DAYS = 34_000
_BIRTHDAY_STEP = 13_007
_RARE = 300


def patient_key(number: int) -> str:
    """Return the id of the n-th Patient, from 0."""
    return f"patient-{number:06}"


def patient(source: Source, number: int) -> Resource:
    """Return the n-th Patient."""
    draw = source.draw
    female = chance(draw, 0.51)
    home = source.number(ORGANISATIONS)
    given = source.pick(words.GIVEN_FEMALE if female else words.GIVEN_MALE)
    # Steps of about the golden section: birthdays are spread evenly, in a small population too.
    born = source.today - timedelta(days=1 + number * _BIRTHDAY_STEP % _OLDEST_DAYS)
    found = {
        "resourceType": "Patient",
        "id": patient_key(number),
        "identifier": [{"extension": [VERIFIED], **identifier(NHS_NUMBER, nhs_number(number))}],
        "active": True,
        "name": [{"use": "official", "family": _family(source, number), "given": [given]}],
        "gender": "female" if female else "male",
        "birthDate": born.isoformat(),
        "address": [_address(source, number, home)],
        "managingOrganization": reference("Organization", organisation_id(home)),
    }
    if chance(draw, 0.03):
        died = born + timedelta(days=int(draw.random() * (source.today - born).days))
        found["deceasedDateTime"] = died.isoformat()
    return found


def _family(source: Source, number: int) -> str:
    # The rarest name has its bearers, however small the population is.
    rare = number % _RARE == 1
    return words.FAMILIES[-1] if rare else source.pick(words.FAMILIES)


def _address(source: Source, number: int, home: int) -> Resource:
    house = 1 + int(source.draw.random() * 180)
    return {
        "use": "home",
        "line": [f"{house} {source.pick(words.STREETS)} {source.pick(words.ROADS)}"],
        "city": words.TOWNS[number % len(words.TOWNS)],
        "postalCode": f"X{trust_code(home)[1]}{number % 9 + 1} {number % 8 + 1}AB",
    }
