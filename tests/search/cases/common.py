"""What all resources and all types of parameters have in common: https://hl7.org/fhir/R4/search.html#all and #modifiers."""

from decimal import Decimal
from typing import Any

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a

SEARCH = "https://hl7.org/fhir/R4/search.html"
PROFILE = "http://example.org/fhir/StructureDefinition/patient"
LOINC = "http://loinc.org"


def meta(**elements: Any) -> Resource:
    return a("Patient", meta=elements)


def code(text: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": text}]}


def refers(resource_type: str, logical_id: str, **elements: Any) -> Resource:
    return {"resourceType": resource_type, "id": logical_id, **elements}


LABELLED = meta(
    profile=[PROFILE],
    source="http://example.org/feed#1",
    tag=[{"system": "urn:t", "code": "x"}],
    security=[{"system": "urn:s", "code": "R"}],
)
MEASURED = a(
    "Observation",
    code=code("29463-7"),
    valueQuantity={"value": Decimal("5.4"), "unit": "mg"},
    subject={"reference": "Patient/eve"},
)
EVE = refers("Patient", "eve", name=[{"family": "Lovelace"}], gender="female")
GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"
GENDERED = {
    "system": "http://hl7.org/fhir/administrative-gender",
    "code": "female",
    "display": "Female",
}

RULES = [
    Rule(
        "_profile, _source: URIs of the metadata",
        LABELLED,
        (
            f"_profile={PROFILE}",
            "_profile:below=http://example.org/fhir",
            f"_profile:above={PROFILE}/child",
            "_profile:missing=false",
            "_source=http://example.org/feed#1",
            "_source:below=http://example.org",
            "_source:above=http://example.org/feed#1/more",
            "_source:missing=false",
        ),
        (
            f"_profile={PROFILE}/child",
            "_profile:below=http://example.org/fhir/Structure",
            "_profile:above=http://example.org/fhir",
            "_profile:missing=true",
            "_source=http://example.org/feed",
            "_source:below=http://example.com",
            "_source:above=http://example.org",
            "_source:missing=true",
        ),
        source=f"{SEARCH}#all",
    ),
    Rule(
        "_tag, _security: codings of the metadata",
        LABELLED,
        ("_tag:not=y", "_tag:missing=false", "_security:not=V", "_security:missing=false"),
        ("_tag:not=x", "_tag:missing=true", "_security:not=R", "_security:missing=true"),
        source=f"{SEARCH}#all",
    ),
    Rule(
        "_tag, _security: the modifiers of tokens are theirs too",
        a("Patient", meta={"tag": [GENDERED], "security": [GENDERED]}),
        (
            f"_tag:in={GENDERS}",
            "_tag:not-in=http://hl7.org/fhir/ValueSet/observation-status",
            "_tag:text=fem",
            f"_security:in={GENDERS}",
            "_security:not-in=http://hl7.org/fhir/ValueSet/observation-status",
            "_security:text=fem",
        ),
        (
            f"_tag:not-in={GENDERS}",
            "_tag:in=http://hl7.org/fhir/ValueSet/observation-status",
            "_tag:text=male",
            f"_security:not-in={GENDERS}",
            "_security:in=http://hl7.org/fhir/ValueSet/observation-status",
            "_security:text=male",
        ),
        source=f"{SEARCH}#modifiers",
    ),
    Rule(
        "Metadata that a resource lacks is missing",
        a("Patient"),
        ("_profile:missing=true", "_source:missing=true", "_tag:missing=true", "_tag:not=x"),
        ("_profile:missing=false", "_source:missing=false", "_tag:missing=false", "_tag=x"),
        source=f"{SEARCH}#modifiers",
    ),
    Rule(
        "_lastUpdated takes the prefixes of dates; every version was made at some time",
        a("Patient"),
        (
            "_lastUpdated=eq2024-06-01",
            "_lastUpdated=le2024-06-01",
            "_lastUpdated=ap2024-06-02",
            "_lastUpdated=sa2024-05-31",
            "_lastUpdated=eb2024-06-02",
            "_lastUpdated:missing=false",
        ),
        (
            "_lastUpdated=eq2024-06-02",
            "_lastUpdated=le2024-05-31",
            "_lastUpdated=ap2024-05-01",
            "_lastUpdated=sa2024-06-01",
            "_lastUpdated=eb2024-06-01",
            "_lastUpdated:missing=true",
        ),
        source=f"{SEARCH}#lastUpdated",
    ),
    Rule(
        ":missing=false: the resource has a value of the parameter, whatever its type",
        MEASURED,
        (
            "value-quantity:missing=false",
            "code-value-quantity:missing=false",
            "code:missing=false",
            "subject:missing=false",
            "date:missing=true",
            "value-string:missing=true",
        ),
        (
            "value-quantity:missing=true",
            "code-value-quantity:missing=true",
            "code:missing=true",
            "subject:missing=true",
            "date:missing=false",
            "value-string:missing=false",
        ),
        source=f"{SEARCH}#modifiers",
    ),
    Rule(
        ":missing, of numbers and URIs",
        a("RiskAssessment", prediction=[{"probabilityDecimal": Decimal("0.3")}]),
        ("probability:missing=false", "_source:missing=true", "probability=eq0.3"),
        ("probability:missing=true", "_source:missing=false", "probability=eq0.4"),
        source=f"{SEARCH}#modifiers",
    ),
    Rule(
        "The prefix eq is what no prefix means; ne is its opposite",
        MEASURED,
        ("value-quantity=eq5.4", "value-quantity=ne5.5", "value-quantity=ap6"),
        ("value-quantity=eq5.5", "value-quantity=ne5.4", "value-quantity=ap7"),
        source=f"{SEARCH}#prefix",
    ),
    Rule(
        "The prefix eq, of dates",
        a("Observation", effectiveDateTime="2013-01-14"),
        ("date=eq2013-01-14", "date=eq2013-01"),
        ("date=eq2013-01-15", "date=eq2014"),
        source=f"{SEARCH}#prefix",
    ),
    Rule(
        "A chain: all observations with a subject whose name is …",
        MEASURED,
        (
            "subject.name=love",
            "subject:Patient.name=lovelace",
            "patient.gender=female",
            "subject:Patient._id=eve",
        ),
        (
            "subject.name=hopper",
            "subject:Patient.name=ace",
            "patient.gender=male",
            "subject:Patient._id=ada",
            "subject:Patient.name:exact=lovelace",
            "performer.name=love",
        ),
        beside=(EVE,),
        source=f"{SEARCH}#chaining",
    ),
    Rule(
        "A chain follows what is there: a reference that leads nowhere has no name",
        MEASURED,
        ("subject=Patient/eve",),
        ("subject.name=love", "subject:Patient._id=eve"),
        source=f"{SEARCH}#chaining",
    ),
    Rule(
        "Each chained parameter is evaluated by itself: two may hold of different targets",
        a(
            "Encounter",
            participant=[
                {"individual": {"reference": f"Practitioner/{each}"}} for each in ("1", "2")
            ],
        ),
        (
            "practitioner.family=hopper",
            "practitioner.family=hopper&practitioner.gender=male",
            "practitioner.family=turing&practitioner.gender=male",
        ),
        ("practitioner.family=lovelace", "practitioner.family=hopper&practitioner.gender=other"),
        beside=(
            refers("Practitioner", "1", name=[{"family": "Hopper"}], gender="female"),
            refers("Practitioner", "2", name=[{"family": "Turing"}], gender="male"),
        ),
        source=f"{SEARCH}#chaining",
    ),
    Rule(
        "_has: the resource is referred to by at least one observation that has the code",
        a("Patient"),
        (
            "_has:Observation:patient:code=1234-5",
            f"_has:Observation:subject:code={LOINC}|1234-5",
            "_has:Observation:patient:code=1234-5,0000-0",
            "_has:Observation:patient:code=1234-5&_has:Observation:patient:code=9999-9",
        ),
        (
            "_has:Observation:patient:code=0000-0",
            "_has:Observation:performer:code=1234-5",
            "_has:Encounter:patient:class=AMB",
            "_has:Observation:patient:code=1234-5&_has:Observation:patient:code=0000-0",
        ),
        beside=tuple(
            refers("Observation", each, code=code(each), subject={"reference": f"Patient/{whose}"})
            for each, whose in (("1234-5", "ada"), ("9999-9", "ada"), ("0000-0", "eve"))
        ),
        source=f"{SEARCH}#has",
    ),
    Rule(
        "_has may be nested: patients of whose observations an audit event tells",
        a("Patient"),
        ("_has:Observation:patient:_has:AuditEvent:entity:agent=eve",),
        (
            "_has:Observation:patient:_has:AuditEvent:entity:agent=ada",
            "_has:Encounter:patient:_has:AuditEvent:entity:agent=eve",
        ),
        beside=(
            refers("Observation", "o", code=code("1"), subject={"reference": "Patient/ada"}),
            refers(
                "AuditEvent",
                "e",
                agent=[{"who": {"reference": "Practitioner/eve"}, "requestor": True}],
                entity=[{"what": {"reference": "Observation/o"}}],
            ),
        ),
        source=f"{SEARCH}#has",
    ),
]
