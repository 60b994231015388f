"""Who gives and who needs care. A person follows from the seed and a number, and is the same wherever known.

UK Core: https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from fhir_server.demonstration import words
from fhir_server.demonstration.codes import (
    DIABETES,
    ETHNICITY,
    GENERAL_SURGERY,
    HL7,
    NHS_NUMBER,
    OPHTHALMOLOGY,
    ORTHOPAEDICS,
    SDS_USER,
    VERIFICATION,
    coding,
    concept,
    identifier,
    reference,
    uk_core,
)
from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.demonstration.trust import CONSULTANTS, Trust, chance, dice, patient_id
from fhir_server.fhir.resource import Resource

SPECIALTIES = (ORTHOPAEDICS, OPHTHALMOLOGY, GENERAL_SURGERY, DIABETES)
"""The specialty of a trust's consultants, in their order."""

VERIFIED = uk_core(
    "NHSNumberVerificationStatus", concept(VERIFICATION, "01", "Number present and verified")
)
RESTRICTED = coding(f"{HL7}/v3-Confidentiality", "R", "restricted")

_ETHNICITIES = (
    ("A", "White - British", 62),
    ("C", "White - Any other White background", 8),
    ("G", "Mixed - Any other mixed background", 4),
    ("H", "Asian or Asian British - Indian", 6),
    ("J", "Asian or Asian British - Pakistani", 6),
    ("K", "Asian or Asian British - Bangladeshi", 3),
    ("M", "Black or Black British - Caribbean", 3),
    ("N", "Black or Black British - African", 5),
    ("Z", "Not stated", 3),
)
# Children, adults, older people: years from, years to, share.
_AGES = ((0, 17, 22), (18, 64, 53), (65, 97, 25))
_ADULT = 18


@dataclass(frozen=True, slots=True)
class Person:
    """What does not change from one record of a person to another."""

    nhs_number: str
    family: str
    given: str
    gender: str
    born: date
    age: int
    ethnicity: int

    @property
    def adult(self) -> bool:
        """Tell whether the person is 18 or older."""
        return self.age >= _ADULT


def person(trust: Trust, patient: int) -> Person:
    """Return who a patient of the trust is."""
    number = trust.person(patient)
    draw = dice(trust.seed, "person", number)
    female = chance(draw, 0.51)
    youngest, oldest, _ = draw.choices(_AGES, [share for *_, share in _AGES])[0]
    born = trust.today - timedelta(days=draw.randint(youngest * 366 + 1, oldest * 365))
    return Person(
        nhs_number=nhs_number(number),
        family=draw.choice(words.FAMILIES),
        given=draw.choice(words.GIVEN_FEMALE if female else words.GIVEN_MALE),
        gender="female" if female else "male",
        born=born,
        age=_age(born, trust.today),
        ethnicity=draw.choices(range(len(_ETHNICITIES)), [share for *_, share in _ETHNICITIES])[0],
    )


def patients(trust: Trust) -> Iterator[Resource]:
    """Yield the trust's patients; one in a hundred is restricted, and shows no place to find them."""
    draw = trust.dice("patients")
    for number in trust.patients:
        record = _patient(trust, number, person(trust, number), draw)
        yield _restricted(record) if chance(draw, 0.01) else record


def consultants(trust: Trust) -> Sequence[str]:
    """Return the ids of the trust's consultants, in the order of SPECIALTIES."""
    numbers = range(1, CONSULTANTS + 1)
    return [trust.numbered("practitioner", number, CONSULTANTS) for number in numbers]


def practitioners(trust: Trust) -> Iterator[Resource]:
    """Yield the trust's consultants, each with a role."""
    draw = trust.dice("practitioners")
    for logical_id, specialty in zip(consultants(trust), SPECIALTIES, strict=True):
        yield _practitioner(logical_id, draw)
        yield {
            "resourceType": "PractitionerRole",
            "id": f"{logical_id}-role",
            "active": True,
            "practitioner": reference("Practitioner", logical_id),
            "organization": trust.itself,
            "code": [concept(f"{HL7}/practitioner-role", "doctor", "Doctor")],
            "specialty": [specialty],
        }


def _practitioner(logical_id: str, draw: Random) -> Resource:
    female = chance(draw, 0.5)
    given = draw.choice(words.GIVEN_FEMALE if female else words.GIVEN_MALE)
    return {
        "resourceType": "Practitioner",
        "id": logical_id,
        "identifier": [identifier(SDS_USER, f"{draw.randrange(10**11):012}")],
        "active": True,
        "name": [{"family": draw.choice(words.FAMILIES), "given": [given], "prefix": ["Dr"]}],
        "gender": "female" if female else "male",
    }


def _patient(trust: Trust, number: int, who: Person, draw: Random) -> Resource:
    code, display, _ = _ETHNICITIES[who.ethnicity]
    return {
        "resourceType": "Patient",
        "id": patient_id(number),
        "extension": [uk_core("EthnicCategory", concept(ETHNICITY, code, display))],
        "identifier": [{"extension": [VERIFIED], **identifier(NHS_NUMBER, who.nhs_number)}],
        "active": True,
        "name": [{"use": "official", "family": who.family, "given": [who.given]}],
        "telecom": [_telephone(draw)],
        "gender": who.gender,
        "birthDate": who.born.isoformat(),
        "address": [_address(trust, number, draw)],
        "generalPractitioner": [reference("Organization", trust.practice(number))],
        "managingOrganization": trust.itself,
    }


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _restricted(record: Resource) -> Resource:
    revealing = ("telecom", "address", "generalPractitioner")
    return {key: value for key, value in record.items() if key not in revealing} | {
        "meta": {"security": [RESTRICTED]}
    }


def _telephone(draw: Random) -> Resource:
    number = f"07700 900{draw.randrange(1000):03}"
    return {"system": "phone", "value": number, "use": "mobile"}


def _address(trust: Trust, number: int, draw: Random) -> Resource:
    street = f"{draw.randint(1, 180)} {draw.choice(words.STREETS)} {draw.choice(words.ROADS)}"
    return {
        "use": "home",
        "line": [street],
        "city": words.TOWNS[number % len(words.TOWNS)],
        "postalCode": trust.postcode(number),
        "country": "GBR",
    }
