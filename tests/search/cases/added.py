"""Parameters that R4 does not have: https://hl7.org/fhir/R4/searchparameter.html."""

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a

PLATFORM = "https://example.org/fdp/StructureDefinition"
PHYSICAL = "http://terminology.hl7.org/CodeSystem/location-physical-type"


def coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


DELIVERY = a(
    "SupplyDelivery",
    status="completed",
    destination={"reference": "Location/ward-1"},
    extension=[
        {
            "url": f"{PLATFORM}/supply-source-location",
            "valueReference": {"reference": "Location/s"},
        },
        {"url": f"{PLATFORM}/other", "valueReference": {"reference": "Location/other"}},
    ],
    suppliedItem={
        "itemCodeableConcept": coded("http://snomed.info/sct", "52291003"),
        "extension": [{"url": f"{PLATFORM}/supply-lot", "valueString": "AX-117"}],
    },
    occurrencePeriod={"start": "2024-03-01", "end": "2024-03-03"},
)

RULES = [
    Rule(
        "SearchParameter.expression: a FHIRPath expression that returns a set of elements",
        a("Location", physicalType=coded(PHYSICAL, "bd")),
        ("physical-type=bd", f"physical-type={PHYSICAL}|bd", "physical-type:missing=false"),
        ("physical-type=wa", "physical-type:not=bd", "physical-type:missing=true"),
    ),
    Rule(
        "SearchParameter.target: types of resource, if a resource reference",
        DELIVERY,
        (
            "destination=Location/ward-1",
            "destination=ward-1",
            "source-location=Location/s",
            "destination=ward-1&source-location=s",
        ),
        (
            "destination=Location/s",
            "source-location=ward-1",
            "source-location=Location/other",
            "destination:missing=true",
        ),
    ),
    Rule(
        "SearchParameter.expression: what it is cast to selects among the types of a choice",
        DELIVERY,
        ("item=52291003", "item=http://snomed.info/sct|52291003"),
        ("item=52291004", "item:missing=true"),
    ),
    Rule(
        "The value of an item that is a reference is no code",
        a("SupplyDelivery", suppliedItem={"itemReference": {"reference": "Medication/1"}}),
        ("item:missing=true",),
        ("item=1", "item:missing=false"),
    ),
    Rule(
        "date: a Period is searched by all of its extent",
        DELIVERY,
        ("occurrence=2024-03", "occurrence=ge2024-03-02", "occurrence=sa2024-02-29"),
        ("occurrence=2024-03-02", "occurrence=gt2024-03-03", "occurrence=eb2024-03-03"),
    ),
    Rule(
        "string: matched by its beginning, without regard to case",
        DELIVERY,
        ("lot=AX-117", "lot=ax-1", "lot:exact=AX-117", "lot:contains=117"),
        ("lot=117", "lot:exact=ax-117", "lot=AX-118"),
    ),
    Rule(
        "A union: whatever any of its paths yields",
        a(
            "SupplyDelivery",
            contained=[{"resourceType": "Medication", "id": "m", "batch": {"lotNumber": "B9"}}],
        ),
        ("lot=B9", "lot:missing=false"),
        ("lot=B8",),
    ),
    Rule(
        "token: category and code of a Flag are searched apart",
        a("Flag", category=[coded("https://x", "ra")], code=coded("https://y", "loop")),
        ("category=ra", "code=loop", "category=https://x|&code=https://y|"),
        ("category=loop", "code=ra", "code=https://x|"),
    ),
    Rule(
        "date: an instant is searched to its own precision",
        a("Slot", start="2024-03-01T09:00:00Z", end="2024-03-01T09:20:00Z"),
        ("end=le2024-03-01T09:20:00Z", "start=ge2024-03-01&end=lt2024-03-01T10:00:00Z"),
        ("end=gt2024-03-01T09:20:00Z", "end=lt2024-03-01T09:20:00Z", "end:missing=true"),
    ),
    Rule(
        "number: an unsignedInt is searched as a number",
        a("Appointment", priority=1),
        ("priority=1", "priority=lt5", "priority=ge1"),
        ("priority=2", "priority=gt1", "priority:missing=true"),
    ),
    Rule(
        "A value that is not there is missing, whatever else is",
        a("Appointment"),
        ("priority:missing=true",),
        ("priority=0", "priority:missing=false"),
    ),
]
