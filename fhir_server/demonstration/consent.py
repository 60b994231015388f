"""Opt-outs from research and planning, consents to research, and the flags that staff must see.

https://hl7.org/fhir/R4/consent.html, https://hl7.org/fhir/R4/flag.html
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from fhir_server.demonstration.codes import HL7, NHS, PLATFORM, coding, concept
from fhir_server.demonstration.moments import at, days_before
from fhir_server.demonstration.people import RESTRICTED, person
from fhir_server.demonstration.trust import Trust, chance, the_patient
from fhir_server.fhir.resource import Resource

_PRIVACY = concept(f"{HL7}/consentscope", "patient-privacy", "Privacy Consent")
_RESEARCH = concept(f"{HL7}/consentscope", "research", "Research")
_OPT_OUT = concept(f"{PLATFORM}/CodeSystem/consent-category", "NDOP", "National data opt-out")
_RESEARCH_DATA = concept(f"{HL7}/consentcategorycodes", "research", "Research Information Access")
_FOR_RESEARCH = coding(f"{HL7}/v3-ActReason", "HRESCH", "healthcare research")
_FOR_PLANNING = coding(f"{HL7}/v3-ActReason", "HOPERAT", "healthcare operations")
_ADJUSTMENT_FLAG = concept(
    f"{NHS}/England/CodeSystem/England-FlagCategoryPatient",
    "national-reasonable-adjustment-flag",
    "National Reasonable Adjustment Flag",
)
_IMPAIRMENTS = ("vision", "hearing", "mobility", "learning", "memory")


def consents(trust: Trust) -> Iterator[Resource]:
    """Yield the opt-outs of one person in eighteen, and the research consents of a few others."""
    draw = trust.dice("consent")
    for patient in trust.patients:
        if chance(draw, 0.054):
            yield _opt_out(trust, patient, draw)
        elif person(trust, patient).adult and chance(draw, 0.03):
            yield _research_consent(trust, patient, draw)


def flags(trust: Trust) -> Iterator[Resource]:
    """Yield the reasonable adjustments that some patients need."""
    draw = trust.dice("flags")
    for patient in trust.patients:
        if chance(draw, 0.08):
            yield _flag(trust, patient, draw.choice(_IMPAIRMENTS), draw)


def _opt_out(trust: Trust, patient: int, draw: Random) -> Resource:
    day = days_before(trust.today, draw.randint(25, 1500))
    return _consent(patient, "opt-out") | {
        "meta": {"security": [RESTRICTED]},
        "scope": _PRIVACY,
        "category": [_OPT_OUT],
        "dateTime": at(day, 12),
        "policy": [{"uri": f"{PLATFORM}/policy/national-data-opt-out/v1"}],
        "policyRule": concept(f"{HL7}/v3-ActCode", "OPTOUT", "opt-out"),
        "provision": {
            "type": "deny",
            "period": {"start": day.isoformat()},
            "purpose": [_FOR_RESEARCH, _FOR_PLANNING],
        },
    }


def _research_consent(trust: Trust, patient: int, draw: Random) -> Resource:
    day = days_before(trust.today, draw.randint(5, 300))
    return _consent(patient, "research") | {
        "scope": _RESEARCH,
        "category": [_RESEARCH_DATA],
        "dateTime": at(day, 12),
        "organization": [trust.itself],
        "policyRule": concept(f"{HL7}/v3-ActCode", "OPTIN", "opt-in"),
        "provision": {
            "type": "permit",
            "period": {"start": day.isoformat()},
            "purpose": [_FOR_RESEARCH],
        },
    }


def _consent(patient: int, kind: str) -> Resource:
    return {
        "resourceType": "Consent",
        "id": f"consent-{patient:04}-{kind}",
        "status": "active",
        "patient": the_patient(patient),
        "performer": [the_patient(patient)],
    }


def _flag(trust: Trust, patient: int, impairment: str, draw: Random) -> Resource:
    system = f"{NHS}/England/CodeSystem/England-ConditionCodeRA"
    return {
        "resourceType": "Flag",
        "id": f"flag-{patient:04}",
        "status": "active",
        "category": [_ADJUSTMENT_FLAG],
        "code": concept(system, impairment, impairment.capitalize()),
        "subject": the_patient(patient),
        "period": {"start": days_before(trust.today, draw.randint(10, 800)).isoformat()},
        "author": trust.itself,
    }
