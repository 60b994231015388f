"""Contained resources in chains: https://hl7.org/fhir/R4/search.html#contained."""

from typing import Any

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a

ACME = "http://acme.com./medications"


def code(text: str, system: str = ACME) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": text}]}


def medication(logical_id: str, text: str, **more: Any) -> Resource:
    return {"resourceType": "Medication", "id": logical_id, "code": code(text), **more}


def request(*contained: Resource, of: str = "#m1", **more: Any) -> Resource:
    referred = {"reference": of}
    return a("MedicationRequest", contained=list(contained), medicationReference=referred, **more)


ABC = {"ingredient": [{"itemCodeableConcept": code("abc")}]}
MAKER = a("Organization", name="Acme") | {"id": "acme"}

RULES = [
    Rule(
        "A chained condition will be evaluated inside contained resources",
        request(medication("m1", "mixture", **ABC)),
        (
            "medication.ingredient-code=abc",
            f"medication.ingredient-code={ACME}|abc",
            "medication:Medication.code=mixture",
            "medication.code:not=tablet",
            "medication.code=tablet,mixture",
            "medication.ingredient-code=abc&medication.code=mixture",
        ),
        (
            "medication.ingredient-code=abcd",
            "medication.code=tablet",
            "medication.code:not=mixture",
            "medication._id=m1",
            "medication=m1",
            "medication:Medication=m1",
        ),
    ),
    Rule(
        "… of the one that is referred to, and no other",
        request(medication("m1", "mixture"), medication("m2", "tablet", **ABC)),
        ("medication.code=mixture",),
        ("medication.code=tablet", "medication.ingredient-code=abc"),
    ),
    Rule(
        "… beside those that are not contained",
        request(medication("m1", "mixture"), of="Medication/m1"),
        ("medication.code=tablet",),
        ("medication.code=mixture",),
        (medication("m1", "tablet"),),
    ),
    Rule(
        "A chain leads out of a contained resource again",
        request(medication("m1", "mixture", manufacturer={"reference": "Organization/acme"})),
        ("medication.manufacturer.name=acme", "medication.manufacturer=acme"),
        ("medication.manufacturer.name=other",),
        (MAKER,),
    ),
    Rule(
        "… and from one contained resource to the next",
        request(
            medication("m1", "mixture", manufacturer={"reference": "#maker"}),
            {"resourceType": "Organization", "id": "maker", "name": "Inside"},
        ),
        ("medication.manufacturer.name=inside",),
        ("medication.manufacturer.name=acme",),
        (MAKER,),
    ),
    Rule(
        "The contained resource has no existence of its own, and nothing outside refers to it",
        request(medication("m1", "mixture")),
        (),
        (
            "medication._list=42",
            "medication._has:MedicationDispense:medication:status=completed",
        ),
        (
            a("List", entry=[{"item": {"reference": "Medication/m1"}}]) | {"id": "42"},
            a("MedicationDispense", medicationReference={"reference": "Medication/m1"})
            | {"id": "d", "status": "completed"},
        ),
    ),
    Rule(
        "A reference to the container is none to a contained resource",
        a("Observation", subject={"reference": "#"}, contained=[{"resourceType": "Patient"}]),
        ("subject:missing=false",),
        ("subject.gender:missing=true", "subject:Patient.gender:not=male"),
    ),
]
