"""Scopes, and how long they last, in words that patients and clinicians read. Pure.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from fhir_server.audit.words import PURPOSES
from fhir_server.policy.scopes import parse_scopes


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long what an app gets is good for, in seconds: a token, and without use the means to renew it."""

    access: int
    refresh: int


_CONNECTING = {
    "openid": "Know that it is you who signed in",
    "fhirUser": "Know your own record here, such as your name and role",
    "profile": "Know your own record here, such as your name and role",
    "launch": "Know what you were looking at when you opened it",
    "launch/patient": "Know which patient is chosen",
    "launch/encounter": "Know which visit or stay is chosen",
    "online_access": "Stay connected while you use it",
    "offline_access": "Stay connected when you are not using it",
}

_RECORDS = {
    "*": "all kinds of records",
    "AllergyIntolerance": "allergies",
    "Appointment": "appointments",
    "CarePlan": "care plans",
    "CareTeam": "care teams",
    "Communication": "messages",
    "Condition": "conditions and diagnoses",
    "Consent": "consents and opt-outs",
    "Coverage": "insurance cover",
    "Device": "devices",
    "DiagnosticReport": "test reports",
    "DocumentReference": "documents",
    "Encounter": "visits and stays",
    "EpisodeOfCare": "episodes of care",
    "FamilyMemberHistory": "family history",
    "Flag": "alerts and reasonable adjustments",
    "Goal": "goals of care",
    "Group": "groups of patients",
    "HealthcareService": "details of services",
    "ImagingStudy": "scans and X-rays",
    "Immunization": "vaccinations",
    "Location": "details of places, such as wards and beds",
    "MedicationRequest": "prescriptions",
    "MedicationStatement": "medicines taken",
    "Observation": "measurements and test results",
    "Organization": "details of organisations",
    "Patient": "name, address and other personal details",
    "Practitioner": "details of staff",
    "PractitionerRole": "details of staff and their roles",
    "Procedure": "procedures and operations",
    "QuestionnaireResponse": "answers to questionnaires",
    "RelatedPerson": "relatives and carers",
    "ServiceRequest": "referrals and requests",
}
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_CHANGES = {"c": "add", "u": "change", "d": "delete"}
_REACH = {
    "patient": "of the chosen patient",
    "user": "of every patient that you may see",
    "system": "of every patient",
}
_OF_NOBODY = frozenset(
    {"HealthcareService", "Location", "Organization", "Practitioner", "PractitionerRole"}
)
"""Types whose records are no patient's."""


def scope_in_words(scope: str) -> str:
    """Return a scope as the end of `The app will be able to`; what is no SMART scope stands for itself."""
    known = _CONNECTING.get(scope)
    if known is not None:
        return known
    parsed = parse_scopes(scope).given
    if not parsed:
        return scope
    (one,) = parsed
    told = f"{_verbs(one.letters)} {_kind(one.type)}"
    return told if one.type in _OF_NOBODY else f"{told} {_REACH[one.context]}"


def _verbs(letters: str) -> str:
    verbs = ["see" if "r" in letters else "search"] if {"r", "s"} & set(letters) else []
    verbs += [word for letter, word in _CHANGES.items() if letter in letters]
    *first, last = verbs
    told = f"{', '.join(first)} and {last}" if first else last
    return told[0].upper() + told[1:]


def _kind(resource_type: str) -> str:
    if resource_type in _RECORDS:
        return _RECORDS[resource_type]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", resource_type).lower()
    return f"{words} records"


def span_in_words(seconds: int) -> str:
    """Return a length of time, a second or more, in the largest unit that it is a whole number of."""
    unit, length = next(each for each in _UNITS if seconds % each[1] == 0 and seconds >= each[1])
    number = seconds // length
    return f"1 {unit}" if number == 1 else f"{number} {unit}s"


def duration_in_words(scopes: Collection[str], lifetimes: Lifetimes) -> str:
    """Return for how long an app that gets these scopes has them."""
    once = span_in_words(lifetimes.access)
    if "offline_access" in scopes:
        renewed = span_in_words(lifetimes.refresh)
        return f"{once} at a time, renewed without asking you; it ends when unused for {renewed}"
    if "online_access" in scopes:
        return f"{once} at a time, renewed while you use it"
    return once


def purpose_in_words(purpose: str) -> str:
    """Return a purpose of use, a code of v3-ActReason; one that is seldom stands for itself."""
    said = PURPOSES.get(purpose, purpose)
    return said[0].upper() + said[1:]
