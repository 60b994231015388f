"""Who is in which bed: inpatients and virtual-ward patients as Encounters, and stays that have ended.

https://hl7.org/fhir/R4/encounter.html
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from fhir_server.demonstration.codes import HL7, coding, reference, snomed
from fhir_server.demonstration.moments import at, days_before
from fhir_server.demonstration.people import person
from fhir_server.demonstration.places import Place, hospital, places
from fhir_server.demonstration.trust import Trust, chance, the_patient
from fhir_server.fhir.resource import Resource

_INPATIENT = coding(f"{HL7}/v3-ActCode", "IMP", "inpatient encounter")
_VIRTUAL = coding(f"{HL7}/v3-ActCode", "VR", "virtual")
_LONGEST_STAY = 28
_REASONS = (
    snomed("233604007", "Pneumonia"),
    snomed("5913000", "Fracture of neck of femur"),
    snomed("42343007", "Congestive heart failure"),
    snomed("13645005", "Chronic obstructive lung disease"),
    snomed("68566005", "Urinary tract infectious disease"),
)


def stays(trust: Trust) -> Iterator[Resource]:
    """Yield one running Encounter for each occupied bed or virtual place, then those that have ended."""
    draw = trust.dice("stays")
    for place in places(trust):
        # Who lives in a care home is no inpatient.
        if place.patient is not None and place.organisation == trust.id:
            yield _running(trust, place, place.patient, draw)
    for patient in trust.patients:
        if person(trust, patient).adult and chance(draw, 0.3):
            yield _ended(trust, patient, draw)


def _running(trust: Trust, place: Place, patient: int, draw: Random) -> Resource:
    since = at(days_before(trust.today, draw.randint(1, _LONGEST_STAY)), draw.randint(8, 22))
    kind = _INPATIENT if place.physical_type == "bd" else _VIRTUAL
    return _encounter(trust, f"stay-{patient:04}", patient, draw) | {
        "status": "in-progress",
        "class": kind,
        "period": {"start": since},
        "location": [
            {
                "location": reference("Location", place.id, place.name),
                "status": "active",
                "period": {"start": since},
            }
        ],
    }


def _ended(trust: Trust, patient: int, draw: Random) -> Resource:
    days = draw.randint(1, _LONGEST_STAY)
    left = days_before(trust.today, draw.randint(_LONGEST_STAY + 1, 900))
    return _encounter(trust, f"stay-{patient:04}-past", patient, draw) | {
        "status": "finished",
        "class": _INPATIENT,
        "period": {"start": at(days_before(left, days), 14), "end": at(left, 11)},
        "location": [{"location": reference("Location", hospital(trust)), "status": "completed"}],
    }


def _encounter(trust: Trust, logical_id: str, patient: int, draw: Random) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": logical_id,
        "subject": the_patient(patient),
        "reasonCode": [draw.choice(_REASONS)],
        "serviceProvider": trust.itself,
    }
