"""Contained resources, in chains and by themselves: https://hl7.org/fhir/R4/search.html#contained."""

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
    Rule(
        "By default, search results only include resources that are not contained in other resources",
        request(medication("m1", "mixture", **ABC)),
        ("_contained=true&ingredient-code=abc", "_contained=both&ingredient-code=abc"),
        ("ingredient-code=abc", "_contained=false&ingredient-code=abc", "code=mixture"),
        searched="Medication",
    ),
    Rule(
        "… and refer to what stands by itself, in a hierarchy as elsewhere",
        a(
            "Encounter",
            contained=[a("Location") | {"id": "bay", "partOf": {"reference": "Location/ward"}}],
        ),
        (
            "_contained=true&partof:below=ward",
            "_contained=true&partof:below=site",
            "_contained=true&partof:above=ward",
        ),
        (
            "_contained=true&partof:below=elsewhere",
            "_contained=true&partof:below=bay",
            "_contained=true&partof:above=site",
            "partof:below=bay",
        ),
        (
            a("Location", partOf={"reference": "Location/site"}) | {"id": "ward"},
            a("Location") | {"id": "site"},
        ),
        searched="Location",
    ),
    Rule(
        "_contained=true: return only contained resources",
        medication("ada", "mixture"),
        ("code=mixture", "_contained=false&code=mixture", "_contained=both&code=mixture"),
        ("_contained=true&code=mixture", "_contained=true"),
    ),
    Rule(
        "… of the type that is searched for, whatever contains them",
        request(medication("m1", "mixture"), medication("m2", "tablet", status="active")),
        (
            "_contained=true",
            "_contained=true&_containedType=contained",
            "_contained=true&code=mixture",
            "_contained=true&code=tablet&status=active",
            "_contained=true&code:not=mixture",
            "_contained=true&status:missing=true",
            "_contained=true&_id=m1",
            "_contained=true&_filter=code eq tablet and status eq active",
            "_contained=both&code=powder,tablet",
        ),
        (
            "_contained=true&code=mixture&status=active",
            "_contained=true&code:not=mixture,tablet",
            "_contained=true&_id=ada",
            "_contained=true&code=powder",
            "_contained=both&code=powder",
        ),
        searched="Medication",
    ),
    Rule(
        "… and no other: the container is asked nothing",
        request(medication("m1", "mixture"), intent="order"),
        (),
        ("_contained=true&intent=order", "_contained=both&medication.code=powder"),
    ),
    Rule(
        "Of what is contained, all parameters are asked as of what is not",
        a(
            "DiagnosticReport",
            contained=[
                a(
                    "Observation",
                    effectiveDateTime="2024-05-01",
                    valueQuantity={
                        "value": 7,
                        "unit": "mmol/L",
                        "system": "http://unitsofmeasure.org",
                        "code": "mmol/L",
                    },
                    code=code("glucose"),
                    subject={"reference": "Patient/acme"},
                )
                | {"id": "o"}
            ],
            result=[{"reference": "#o"}],
        ),
        (
            "_contained=true&date=2024-05",
            "_contained=true&date=ge2024&date=lt2025",
            "_contained=true&value-quantity=gt6.5",
            "_contained=true&value-quantity=7000|http://unitsofmeasure.org|umol/L",
            "_contained=true&code-value-quantity=glucose$7",
            "_contained=true&code=glucose&value-quantity=gt6.5",
            "_contained=true&patient=acme&code=glucose",
            "_contained=true&subject:Patient.gender:missing=true",
        ),
        (
            "_contained=true&date=2023",
            "_contained=true&value-quantity=lt6.5",
            "_contained=true&patient=ada",
            "_contained=true&code=glucose&value-quantity=8",
        ),
        (a("Patient") | {"id": "acme"},),
        searched="Observation",
    ),
    Rule(
        "_has: what refers to a contained resource is its container",
        request(medication("m1", "mixture"), medication("m2", "tablet"), status="active"),
        (
            "_contained=true&_has:MedicationRequest:medication:status=active",
            "_contained=true&_has:MedicationRequest:medication:_id=ada&code=mixture",
            "_contained=both&_has:MedicationRequest:medication:medication.code=mixture",
            "_contained=true&_filter=not (_has:MedicationRequest:medication:status eq active)",
        ),
        (
            "_contained=true&_has:MedicationRequest:medication:status=draft",
            "_contained=true&_has:MedicationRequest:medication:status=active&code=tablet",
            "_contained=true&_has:MedicationDispense:medication:status=active",
            "_has:MedicationRequest:medication:status=active",
        ),
        searched="Medication",
    ),
    Rule(
        "… or what is contained beside it",
        request(
            medication("m1", "mixture", ingredient=[{"itemReference": {"reference": "#m2"}}]),
            medication("m2", "tablet"),
        ),
        (
            "_contained=true&_has:Medication:ingredient:code=mixture&code=tablet",
            "_contained=true&_has:Medication:ingredient:_id=m1",
            "_contained=true&_has:Medication:ingredient:_has:MedicationRequest:medication:_id=ada",
        ),
        (
            "_contained=true&_has:Medication:ingredient:code=tablet",
            "_contained=true&_has:Medication:ingredient:code=mixture&code=mixture",
            "_contained=true&_has:Medication:ingredient:_has:MedicationRequest:medication:_id=m1",
        ),
        searched="Medication",
    ),
    Rule(
        "_list: a contained resource is on the list that contains it",
        a(
            "List",
            status="current",
            mode="working",
            contained=[medication("m1", "mixture"), medication("m2", "tablet")],
            entry=[{"item": {"reference": "#m1"}}, {"item": {"reference": "#m2"}, "deleted": True}],
        ),
        ("_contained=true&_list=ada", "_contained=both&_list=7,ada&code=mixture"),
        ("_contained=true&_list=7", "_contained=true&_list=ada&code=tablet", "_list=ada"),
        searched="Medication",
    ),
]
