"""Long-term conditions, and the yearly care of people with diabetes: HbA1c, blood pressure, weight and feet.

https://hl7.org/fhir/R4/condition.html, https://hl7.org/fhir/R4/observation.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from random import Random

from fhir_server.demonstration.codes import (
    BLOOD_PRESSURE,
    DIASTOLIC,
    EXAM,
    FOOT_CHECK,
    HBA1C,
    HL7,
    LABORATORY,
    SYSTOLIC,
    TYPE_1_DIABETES,
    TYPE_2_DIABETES,
    VITAL_SIGNS,
    WEIGHT,
    concept,
    quantity,
    reference,
    snomed,
)
from fhir_server.demonstration.moments import at, days_before
from fhir_server.demonstration.people import consultants, person
from fhir_server.demonstration.trust import Trust, chance, the_patient
from fhir_server.fhir.resource import Resource

_ACTIVE = concept(f"{HL7}/condition-clinical", "active", "Active")
_CONFIRMED = concept(f"{HL7}/condition-ver-status", "confirmed", "Confirmed")
_PROBLEM = concept(f"{HL7}/condition-category", "problem-list-item", "Problem List Item")
_OTHERS = (
    (snomed("38341003", "Hypertensive disorder"), 0.28),
    (snomed("195967001", "Asthma"), 0.1),
    (snomed("13645005", "Chronic obstructive lung disease"), 0.06),
    (snomed("709044004", "Chronic kidney disease"), 0.05),
)
_FOOT_RISKS = {"Low risk": 70, "Moderate risk": 20, "High risk": 8, "Active foot problem": 2}
_YEAR = 365


def register(trust: Trust) -> Sequence[int]:
    """Return the patients who have diabetes."""
    return list(_diagnoses(trust))


def conditions(trust: Trust) -> Iterator[Resource]:
    """Yield the long-term conditions of the trust's patients."""
    draw = trust.dice("conditions")
    diagnoses = _diagnoses(trust)
    for patient in trust.patients:
        who = person(trust, patient)
        codes = [diagnoses[patient]] if patient in diagnoses else []
        if who.adult:
            codes += [code for code, share in _OTHERS if chance(draw, share)]
        for number, code in enumerate(codes, 1):
            onset = days_before(trust.today, draw.randint(_YEAR, _YEAR * max(2, min(20, who.age))))
            yield _condition(patient, number, code, max(onset, who.born))


def diabetes_care(trust: Trust) -> Iterator[Resource]:
    """Yield the register as a Group, and what was measured at each yearly review.

    One in four has no foot check in the last year, one in ten never had one.
    """
    draw = trust.dice("diabetes")
    patients = register(trust)
    if patients:
        yield _group(trust, patients)
    for patient in patients:
        footless = draw.choices(("none", "late", "kept"), (10, 15, 75))[0]
        for year in range(draw.randint(1, 4)):
            day = days_before(trust.today, year * _YEAR + draw.randint(5, 350))
            yield from _review(trust, patient, day, draw)
            if footless == "kept" or (footless == "late" and year > 0):
                yield _foot_check(trust, patient, day, draw)


def _diagnoses(trust: Trust) -> dict[int, Resource]:
    draw = trust.dice("diagnoses")
    found = {}
    for patient in trust.patients:
        adult = person(trust, patient).adult
        if adult and chance(draw, 0.18):
            found[patient] = TYPE_2_DIABETES
        elif chance(draw, 0.02):
            found[patient] = TYPE_1_DIABETES
    return found


def _condition(patient: int, number: int, code: Resource, onset: date) -> Resource:
    return {
        "resourceType": "Condition",
        "id": f"condition-{patient:04}-{number}",
        "clinicalStatus": _ACTIVE,
        "verificationStatus": _CONFIRMED,
        "category": [_PROBLEM],
        "code": code,
        "subject": the_patient(patient),
        "onsetDateTime": onset.isoformat(),
        "recordedDate": onset.isoformat(),
    }


def _group(trust: Trust, patients: Sequence[int]) -> Resource:
    return {
        "resourceType": "Group",
        "id": f"diabetes-register-{trust.number}",
        "active": True,
        "type": "person",
        "actual": True,
        "name": f"Diabetes register, {trust.name}",
        "quantity": len(patients),
        "managingEntity": trust.itself,
        "member": [{"entity": the_patient(patient)} for patient in patients],
    }


def _review(trust: Trust, patient: int, day: date, draw: Random) -> Iterator[Resource]:
    hba1c = quantity(round(draw.gauss(58, 13)), "mmol/mol")
    yield _observed(trust, patient, day, "hba1c") | {
        "category": [LABORATORY],
        "code": HBA1C,
        "valueQuantity": hba1c,
    }
    yield _observed(trust, patient, day, "weight") | {
        "category": [VITAL_SIGNS],
        "code": WEIGHT,
        "valueQuantity": quantity(Decimal(round(draw.gauss(840, 140))) / 10, "kg"),
    }
    systolic, diastolic = round(draw.gauss(136, 14)), round(draw.gauss(80, 8))
    yield _observed(trust, patient, day, "bp") | {
        "category": [VITAL_SIGNS],
        "code": BLOOD_PRESSURE,
        "component": [
            {"code": SYSTOLIC, "valueQuantity": quantity(systolic, "mmHg", "mm[Hg]")},
            {"code": DIASTOLIC, "valueQuantity": quantity(diastolic, "mmHg", "mm[Hg]")},
        ],
    }


def _foot_check(trust: Trust, patient: int, day: date, draw: Random) -> Resource:
    risk = draw.choices(list(_FOOT_RISKS), list(_FOOT_RISKS.values()))[0]
    return _observed(trust, patient, day, "feet") | {
        "category": [EXAM],
        "code": FOOT_CHECK,
        "valueCodeableConcept": {"text": risk},
    }


def _observed(trust: Trust, patient: int, day: date, what: str) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"{what}-{patient:04}-{day:%Y%m%d}",
        "status": "final",
        "subject": the_patient(patient),
        "effectiveDateTime": at(day, 9, 40),
        "performer": [reference("Practitioner", consultants(trust)[-1])],
    }
