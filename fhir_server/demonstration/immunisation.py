"""Vaccines given: influenza, COVID-19 and MMR, with UK products, batches, doses and the diseases they target.

https://hl7.org/fhir/R4/immunization.html; UK Core wants a reason where a vaccine was not given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from fhir_server.demonstration import words
from fhir_server.demonstration.codes import (
    HL7,
    concept,
    identifier,
    quantity,
    reference,
    snomed,
    uk_core,
)
from fhir_server.demonstration.moments import at, days_before
from fhir_server.demonstration.people import Person, person
from fhir_server.demonstration.places import clinic
from fhir_server.demonstration.trust import Trust, chance, the_patient
from fhir_server.fhir.resource import Resource

_SHELF_LIFE = 240
_LEFT_ARM = snomed("368208006", "Left upper arm structure")
_INTRAMUSCULAR = snomed("78421000", "Intramuscular route")
_NASAL = snomed("46713006", "Nasal route")
_OLDER, _CHILD = 65, 11
_ROUTES = {True: {"site": _LEFT_ARM, "route": _INTRAMUSCULAR}, False: {"route": _NASAL}}
_DECLINED = concept(f"{HL7}/v3-ActReason", "PATOBJ", "patient objection")
_RELUCTANT = words.TOWNS.index("Millbrook")


@dataclass(frozen=True, slots=True)
class Vaccine:
    """A product, the procedure of each of its doses, and what it protects from."""

    key: str
    product: Resource
    maker: str
    procedures: tuple[Resource, ...]
    diseases: tuple[Resource, ...]
    millilitres: Decimal = Decimal("0.5")
    injected: bool = True


FLU = Vaccine(
    "flu",
    snomed(
        "43207411000001105", "Cell-based trivalent influenza vaccine suspension for injection 0.5ml"
    ),
    "Seqirus",
    (
        snomed(
            "985151000000100", "Administration of first inactivated seasonal influenza vaccination"
        ),
    ),
    (snomed("6142004", "Influenza"),),
)
NASAL_FLU = Vaccine(
    "nasal-flu",
    snomed("43208811000001106", "Fluenz vaccine nasal suspension 0.2ml unit dose"),
    "AstraZeneca",
    (
        snomed(
            "884861000000100", "Administration of first intranasal seasonal influenza vaccination"
        ),
    ),
    (snomed("6142004", "Influenza"),),
    Decimal("0.2"),
    injected=False,
)
COVID = Vaccine(
    "covid",
    snomed("39115611000001103", "COVID-19 mRNA Vaccine Pfizer-BioNTech 30micrograms/0.3ml dose"),
    "Pfizer",
    (
        snomed("1324681000000101", "Administration of first dose of SARS-CoV-2 vaccine"),
        snomed("1324691000000104", "Administration of second dose of SARS-CoV-2 vaccine"),
    ),
    (snomed("840539006", "COVID-19"),),
    Decimal("0.3"),
)
MMR = Vaccine(
    "mmr",
    snomed(
        "34925111000001104", "Priorix vaccine powder and solvent for solution for injection 0.5ml"
    ),
    "GlaxoSmithKline",
    (
        snomed("38598009", "Administration of measles, mumps and rubella vaccine"),
        snomed("170433008", "Administration of second dose of measles, mumps and rubella vaccine"),
    ),
    (snomed("14189004", "Measles"), snomed("36989005", "Mumps"), snomed("36653000", "Rubella")),
)
VACCINES = (FLU, COVID, MMR, NASAL_FLU)


@dataclass(frozen=True, slots=True)
class Dose:
    """One dose that is due: the number in its series, the day, and how likely it was given."""

    vaccine: Vaccine
    number: int
    day: date
    uptake: float


def immunizations(trust: Trust) -> Iterator[Resource]:
    """Yield the doses given and refused; in one town fewer come, for the reports to find."""
    draw = trust.dice("immunisation")
    for patient in trust.patients:
        yield from _history(trust, patient, draw)


def batch(trust: Trust, vaccine: Vaccine, day: date) -> tuple[str, date]:
    """Return the batch that was used on a day, and its expiry date: one batch a quarter."""
    quarter = (day.month - 1) // 3
    first = date(day.year, 3 * quarter + 1, 1)
    number = f"{vaccine.key[:2].upper()}{day:%y}{'ABCD'[quarter]}{trust.number:02}"
    return number, first + timedelta(days=_SHELF_LIFE)


def _history(trust: Trust, patient: int, draw: Random) -> Iterator[Resource]:
    who = person(trust, patient)
    factor = 0.55 if patient % len(words.TOWNS) == _RELUCTANT else 1.0
    missed: set[str] = set()
    for dose in _due(trust.today, who, draw):
        if dose.vaccine.key in missed or not who.born <= dose.day < trust.today:
            continue
        if chance(draw, dose.uptake * factor):
            yield _given(trust, patient, dose)
        else:
            missed.add(dose.vaccine.key)
            if chance(draw, 0.15):
                yield _not_given(trust, patient, dose)


def _due(today: date, who: Person, draw: Random) -> Iterator[Dose]:
    if who.age >= _OLDER or who.age < _CHILD:
        flu = FLU if who.age >= _OLDER else NASAL_FLU
        yield Dose(flu, 1, days_before(today, draw.randint(3, 60)), 0.75)
    if who.adult:
        # The oldest were invited first.
        wait = max(0, 75 - who.age) * 2 + draw.randrange(20)
        first = date(2021, 2, 1) + timedelta(days=wait)
        yield Dose(COVID, 1, first, 0.85)
        yield Dose(COVID, 2, first + timedelta(days=77), 0.92)
    else:
        for number, months in ((1, 12), (2, 40)):
            day = who.born + timedelta(days=months * 30 + draw.randrange(60))
            yield Dose(MMR, number, day, 0.88)


def _given(trust: Trust, patient: int, dose: Dose) -> Resource:
    vaccine = dose.vaccine
    number, expires = batch(trust, vaccine, dose.day)
    return _immunization(trust, patient, dose) | {
        "status": "completed",
        "manufacturer": {"display": vaccine.maker},
        "lotNumber": number,
        "expirationDate": expires.isoformat(),
        **_ROUTES[vaccine.injected],
        "doseQuantity": quantity(vaccine.millilitres, "ml", "mL"),
        "performer": [{"actor": trust.itself}],
        "protocolApplied": [
            {
                "targetDisease": list(vaccine.diseases),
                "doseNumberPositiveInt": dose.number,
            }
        ],
    }


def _not_given(trust: Trust, patient: int, dose: Dose) -> Resource:
    return _immunization(trust, patient, dose) | {"status": "not-done", "statusReason": _DECLINED}


def _immunization(trust: Trust, patient: int, dose: Dose) -> Resource:
    key = f"{dose.vaccine.key}-{patient:04}-{dose.number}"
    return {
        "resourceType": "Immunization",
        "id": key,
        "extension": [uk_core("VaccinationProcedure", dose.vaccine.procedures[dose.number - 1])],
        "identifier": [identifier(f"https://{trust.id}.example/vaccinations", key)],
        "vaccineCode": dose.vaccine.product,
        "patient": the_patient(patient),
        "occurrenceDateTime": at(dose.day, 14, 10),
        "recorded": at(dose.day, 14, 15),
        "primarySource": True,
        "location": reference("Location", clinic(trust)),
    }
