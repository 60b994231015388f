"""Thirty queries that a FHIR server is asked every day, with values that the large population has.

Benchmarks time them and tests compare their answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from fhir_server.demonstration import words
from fhir_server.demonstration.bulk.frame import organisation_id, practitioner_id
from fhir_server.demonstration.bulk.observations import RESPIRATION
from fhir_server.demonstration.bulk.patients import BUSIEST, patient_key
from fhir_server.demonstration.bulk.stream import ordinary_patient
from fhir_server.demonstration.codes import (
    HBA1C,
    NHS_NUMBER,
    ODS_ORGANISATION,
    SNOMED,
    TYPE_2_DIABETES,
    UCUM,
    WEIGHT,
)
from fhir_server.demonstration.identifiers import nhs_number, trust_code
from fhir_server.demonstration.immunisation import FLU
from fhir_server.fhir.resource import Resource


@dataclass(frozen=True, slots=True)
class Query:
    """A search: a name for reports, the type, and the parameters as a URL writes them."""

    name: str
    resource_type: str
    parameters: str

    @property
    def path(self) -> str:
        """The path below the base URL: Patient?gender=female."""
        return f"{self.resource_type}?{self.parameters}"


def canonical(*, resources: int, today: date) -> Sequence[Query]:
    """Return the thirty queries for a population of so many resources, always in the same order.

    From 10,000 resources on each of them finds something.
    """
    ordinary = ordinary_patient(resources)
    rows = (
        *_patients(ordinary),
        *_observations(ordinary, today),
        *_care(ordinary, today),
        *_places(),
    )
    return [
        Query(name, resource_type, urlencode(parameters, safe=":/,"))
        for name, resource_type, parameters in rows
    ]


_Parameters = list[tuple[str, str]]
_Rows = Sequence[tuple[str, str, _Parameters]]


def _patients(ordinary: int) -> _Rows:
    number = nhs_number(ordinary)
    return (
        ("patient by id", "Patient", [("_id", patient_key(ordinary))]),
        ("patient by NHS number", "Patient", [("identifier", f"{NHS_NUMBER}|{number}")]),
        ("patient by bare number", "Patient", [("identifier", number)]),
        ("commonest family name", "Patient", [("family", "smith")]),
        ("rare family name", "Patient", [("family", words.FAMILIES[-1].lower())]),
        (
            "name and birth date",
            "Patient",
            [("family", "jones"), ("birthdate", "ge1960-01-01"), ("birthdate", "lt1990-01-01")],
        ),
        ("born in a year", "Patient", [("birthdate", "1984")]),
        ("not female", "Patient", [("gender:not", "female")]),
        ("with a date of death", "Patient", [("death-date:missing", "false")]),
        ("how many women", "Patient", [("gender", "female"), ("_summary", "count")]),
    )


def _observations(ordinary: int, today: date) -> _Rows:
    patient = ("patient", f"Patient/{patient_key(ordinary)}")
    busy = ("patient", f"Patient/{patient_key(BUSIEST)}")
    hba1c, newest = ("code", _token(HBA1C)), ("_sort", "-date")
    since = (today - timedelta(days=365)).isoformat()
    month = (today - timedelta(days=1000)).isoformat()[:7]
    return (
        ("a patient's observations", "Observation", [patient, newest]),
        ("a patient's HbA1c, newest first", "Observation", [patient, hba1c, newest]),
        ("the busiest patient's newest", "Observation", [busy, newest]),
        ("the busiest patient's year", "Observation", [busy, hba1c, ("date", f"ge{since}")]),
        ("the commonest code, newest first", "Observation", [hba1c, newest]),
        ("a rare code", "Observation", [("code", _token(RESPIRATION)), newest]),
        ("two codes", "Observation", [("code", f"{_token(WEIGHT)},{_token(RESPIRATION)}")]),
        (
            "high HbA1c",
            "Observation",
            [hba1c, ("value-quantity", f"gt85|{UCUM}|mmol/mol"), newest],
        ),
        ("a month", "Observation", [("date", month), ("category", "laboratory")]),
        ("not final", "Observation", [busy, ("status:not", "final")]),
        ("with the patient", "Observation", [busy, newest, ("_include", "Observation:patient")]),
        ("how many HbA1c", "Observation", [hba1c, ("_summary", "count")]),
        (
            "lately updated",
            "Observation",
            [("_lastUpdated", f"ge{since}"), ("_sort", "-_lastUpdated")],
        ),
    )


def _care(ordinary: int, today: date) -> _Rows:
    patient = ("patient", f"Patient/{patient_key(ordinary)}")
    doctor = ("practitioner", f"Practitioner/{practitioner_id(1)}")
    provider = ("service-provider", f"Organization/{organisation_id(1)}")
    season = (today - timedelta(days=90)).isoformat()
    flu = ("vaccine-code", _token(FLU.product))
    return (
        ("a patient's encounters", "Encounter", [patient]),
        ("who is in now", "Encounter", [("status", "in-progress"), provider]),
        ("this season's flu vaccines", "Immunization", [flu, ("date", f"ge{season}")]),
        (
            "a doctor's coming appointments",
            "Appointment",
            [doctor, ("status", "booked"), ("date", f"ge{today.isoformat()}"), ("_sort", "date")],
        ),
        (
            "active diabetes",
            "Condition",
            [("code", _token(TYPE_2_DIABETES)), ("clinical-status", "active")],
        ),
    )


def _places() -> _Rows:
    organisation = f"Organization/{organisation_id(2)}"
    return (
        (
            "a trust's free wards",
            "Location",
            [("organization", organisation), ("operational-status", "U")],
        ),
        (
            "a trust by ODS code",
            "Organization",
            [("identifier", f"{ODS_ORGANISATION}|{trust_code(2)}")],
        ),
    )


def _token(concept: Resource) -> str:
    code = concept["coding"][0]["code"]
    return f"{SNOMED}|{code}"
