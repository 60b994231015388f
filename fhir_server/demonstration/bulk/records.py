"""The records of a large population: for each patient as many as are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import accumulate

from fhir_server.demonstration.bulk.frame import (
    LOCATIONS,
    ORGANISATIONS,
    PRACTITIONERS,
    location_id,
    organisation_id,
    practitioner_id,
)
from fhir_server.demonstration.bulk.observations import measurement
from fhir_server.demonstration.bulk.patients import patient_key
from fhir_server.demonstration.bulk.source import Source
from fhir_server.demonstration.codes import (
    HL7,
    TYPE_1_DIABETES,
    TYPE_2_DIABETES,
    coding,
    concept,
    reference,
    snomed,
)
from fhir_server.demonstration.immunisation import VACCINES
from fhir_server.demonstration.moments import at
from fhir_server.demonstration.trust import chance
from fhir_server.fhir.resource import Resource

_LONGEST_STAY = timedelta(days=120)
_BOOKED_AHEAD = timedelta(days=120)

_ACTIVE = concept(f"{HL7}/condition-clinical", "active", "Active")
_RESOLVED = concept(f"{HL7}/condition-clinical", "resolved", "Resolved")
_CONFIRMED = concept(f"{HL7}/condition-ver-status", "confirmed", "Confirmed")
_CLASSES = tuple(
    coding(f"{HL7}/v3-ActCode", code, display)
    for code, display in (
        ("AMB", "ambulatory"),
        ("IMP", "inpatient encounter"),
        ("EMER", "emergency"),
        ("VR", "virtual"),
    )
)
_DIAGNOSES = (
    snomed("38341003", "Hypertensive disorder"),
    TYPE_2_DIABETES,
    snomed("195967001", "Asthma"),
    snomed("13645005", "Chronic obstructive lung disease"),
    snomed("709044004", "Chronic kidney disease"),
    snomed("42343007", "Congestive heart failure"),
    TYPE_1_DIABETES,
)
_REFERRALS = (
    snomed("54885007", "Extraction of cataract"),
    snomed("52734007", "Total replacement of hip"),
    snomed("44558001", "Repair of inguinal hernia"),
    snomed("38102005", "Cholecystectomy"),
)


def records(source: Source, number: int) -> Iterator[Resource]:
    """Yield what is recorded of a patient, without end."""
    subject = reference("Patient", patient_key(number))
    encounter: Resource | None = None
    kinds, weights = tuple(_KINDS), tuple(accumulate(_KINDS.values()))
    while True:
        kind = source.draw.choices(kinds, cum_weights=weights)[0]
        resource = kind(source, subject)
        resource["id"] = f"{resource['resourceType'].lower()}-{next(source.serials):07}"
        if kind is _encounter:
            encounter = reference("Encounter", resource["id"])
        elif kind is _observation and encounter is not None:
            resource["encounter"] = encounter
        yield resource


def _observation(source: Source, subject: Resource) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final" if chance(source.draw, 0.93) else "amended",
        **measurement(source.draw),
        "subject": subject,
        "effectiveDateTime": source.moment(),
        "performer": [reference("Practitioner", practitioner_id(source.number(PRACTITIONERS)))],
    }


def _encounter(source: Source, subject: Resource) -> Resource:
    start = source.day()
    running = source.today - start < _LONGEST_STAY and chance(source.draw, 0.5)
    period = {"start": at(start, 9)}
    if not running:
        period["end"] = at(min(source.today, start + timedelta(days=source.number(30) - 1)), 17)
    return {
        "resourceType": "Encounter",
        "status": "in-progress" if running else "finished",
        "class": source.pick(_CLASSES),
        "subject": subject,
        "period": period,
        "location": [{"location": reference("Location", location_id(source.number(LOCATIONS)))}],
        "serviceProvider": reference("Organization", organisation_id(source.number(ORGANISATIONS))),
    }


def _immunization(source: Source, subject: Resource) -> Resource:
    vaccine = source.pick(VACCINES)
    given = source.day()
    return {
        "resourceType": "Immunization",
        "status": "completed" if chance(source.draw, 0.97) else "entered-in-error",
        "vaccineCode": vaccine.product,
        "patient": subject,
        "occurrenceDateTime": at(given, 14),
        "primarySource": True,
        "lotNumber": f"{vaccine.key[:2].upper()}{given:%y%m}",
        "location": reference("Location", location_id(source.number(LOCATIONS))),
        "protocolApplied": [
            {"targetDisease": list(vaccine.diseases), "doseNumberPositiveInt": source.number(3)}
        ],
    }


def _appointment(source: Source, subject: Resource) -> Resource:
    day = source.day() + _BOOKED_AHEAD
    past = "fulfilled" if chance(source.draw, 0.9) else "noshow"
    practitioner = reference("Practitioner", practitioner_id(source.number(PRACTITIONERS)))
    return {
        "resourceType": "Appointment",
        "status": past if day < source.today else "booked",
        "start": at(day, 10),
        "end": at(day, 10, 20),
        "participant": [
            {"actor": subject, "status": "accepted"},
            {"actor": practitioner, "status": "accepted"},
        ],
    }


def _condition(source: Source, subject: Resource) -> Resource:
    return {
        "resourceType": "Condition",
        "clinicalStatus": _ACTIVE if chance(source.draw, 0.8) else _RESOLVED,
        "verificationStatus": _CONFIRMED,
        "code": source.pick(_DIAGNOSES),
        "subject": subject,
        "recordedDate": source.day().isoformat(),
    }


def _service_request(source: Source, subject: Resource) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "status": "active" if chance(source.draw, 0.3) else "completed",
        "intent": "order",
        "priority": "urgent" if chance(source.draw, 0.1) else "routine",
        "code": source.pick(_REFERRALS),
        "subject": subject,
        "authoredOn": source.day().isoformat(),
    }


_KINDS: dict[Callable[[Source, Resource], Resource], int] = {
    _observation: 56,
    _encounter: 14,
    _immunization: 10,
    _appointment: 8,
    _condition: 7,
    _service_request: 5,
}
