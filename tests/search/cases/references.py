"""References and composites: https://hl7.org/fhir/R4/search.html#reference and #composite."""

from decimal import Decimal
from typing import Any

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a

BASE = "http://example.org/fhir"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"


def about(reference: str | None = None, **more: Any) -> Resource:
    subject = more if reference is None else {"reference": reference, **more}
    return a("Observation", subject=subject)


def code(text: str, system: str = LOINC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": text}]}


def mmhg(value: str) -> dict[str, Any]:
    return {"value": Decimal(value), "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}


PRESSURE = a(
    "Observation",
    code=code("85354-9"),
    component=[
        {"code": code("8480-6"), "valueQuantity": mmhg("150")},
        {"code": code("8462-4"), "valueQuantity": mmhg("90")},
    ],
)

RULES = [
    Rule(
        "[id], [type]/[id], [url]: the same resource of this server",
        about("Patient/23"),
        (
            "subject=23",
            "subject=Patient/23",
            f"subject={BASE}/Patient/23",
            "subject:Patient=23",
            "patient=23",
        ),
        (
            "subject=24",
            "subject=Group/23",
            "subject=http://other.org/fhir/Patient/23",
            "subject:Group=23",
            "subject=2",
        ),
    ),
    Rule(
        "An absolute reference to this server is a local one",
        about(f"{BASE}/Patient/23"),
        ("subject=Patient/23", "subject=23", f"subject={BASE}/Patient/23", "patient=Patient/23"),
        ("subject=http://other.org/fhir/Patient/23",),
    ),
    Rule(
        "An absolute reference to another server matches as it stands",
        about("http://other.org/fhir/Patient/23"),
        ("subject=http://other.org/fhir/Patient/23", "patient=http://other.org/fhir/Patient/23"),
        ("subject=Patient/23", "subject=23", f"subject={BASE}/Patient/23"),
    ),
    Rule(
        "A reference to a version is one to the resource",
        about("Patient/23/_history/4"),
        (
            "subject=Patient/23",
            "subject=23",
            "subject=Patient/23/_history/4",
            "subject=Patient/23/_history/5",
        ),
        ("subject=Patient/2",),
    ),
    Rule(
        "patient finds references to patients only",
        about("Group/23"),
        ("subject=Group/23", "subject:Group=23", "patient:missing=true"),
        ("patient=23", "patient=Patient/23", "patient:missing=false"),
    ),
    Rule(
        "[type] as a modifier limits what the id or URL may be of",
        about("http://other.org/fhir/Patient/23"),
        ("subject:Patient=http://other.org/fhir/Patient/23",),
        ("subject:Group=http://other.org/fhir/Patient/23", "subject:Patient=23"),
    ),
    Rule(
        "A reference to a contained resource leads nowhere",
        about("#p"),
        ("subject:missing=false",),
        ("subject=p", "subject=Patient/p"),
    ),
    Rule(
        "A reference by URN matches as it stands",
        about("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"),
        ("subject=urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7",),
        ("subject=53fefa32-fcbb-4ff8-8a92-55ee120877b7",),
    ),
    Rule(
        ":identifier: Reference.identifier rather than Reference.reference",
        about(identifier={"system": "http://acme.org/mrn", "value": "2345"}, type="Patient"),
        (
            "subject:identifier=http://acme.org/mrn|2345",
            "subject:identifier=2345",
            "subject:identifier=http://acme.org/mrn|",
            "patient:identifier=2345",
        ),
        (
            "subject:identifier=http://acme.org/mrn|2346",
            "subject:identifier=|2345",
            "subject=2345",
            "subject:identifier=http://other.org|",
        ),
    ),
    Rule(
        ":identifier without system",
        about(identifier={"value": "2345"}),
        ("subject:identifier=2345", "subject:identifier=|2345"),
        ("subject:identifier=http://acme.org/mrn|2345",),
    ),
    Rule(
        "Any of several references may match",
        a(
            "Observation",
            performer=[{"reference": "Practitioner/1"}, {"reference": "Organization/2"}],
        ),
        ("performer=1", "performer=Organization/2", "performer=1&performer=2", "performer=9,2"),
        ("performer=Practitioner/2", "performer=1&performer=3"),
    ),
    Rule(
        "canonical: found with its version and without",
        a("PlanDefinition", status="draft", library=["http://acme.org/Library/x|1.2"]),
        ("depends-on=http://acme.org/Library/x", "depends-on=http://acme.org/Library/x|1.2"),
        ("depends-on=http://acme.org/Library/x|1.3", "depends-on=x"),
    ),
    Rule(
        "The condition of an expression: only artifacts of that relation",
        a("Library", relatedArtifact=[{"type": "successor", "resource": "http://acme.org/y"}]),
        ("successor=http://acme.org/y",),
        ("predecessor=http://acme.org/y", "depends-on=http://acme.org/y"),
    ),
    Rule(
        "The first entry of a document is its composition",
        a(
            "Bundle",
            type="document",
            entry=[{"resource": {"resourceType": "Composition", "id": "c1"}}],
        ),
        ("composition=Composition/c1", "composition=c1"),
        ("composition=c2", "message=c1"),
    ),
    Rule(
        "composite: code and value of one observation",
        a("Observation", code=code("8480-6"), valueQuantity=mmhg("120")),
        (
            f"code-value-quantity={LOINC}|8480-6$gt100|{UCUM}|mm[Hg]",
            "code-value-quantity=8480-6$gt100",
            "code-value-quantity=8480-6$120||mmHg",
            "code-value-quantity=8480-6$120||mm[Hg]",
            f"code-value-quantity=x$1,{LOINC}|8480-6$le120",
            "combo-code-value-quantity=8480-6$120",
        ),
        (
            "code-value-quantity=8480-6$gt120",
            "code-value-quantity=8462-4$gt100",
            "code-value-quantity=|8480-6$gt100",
            f"code-value-quantity={SNOMED}|8480-6$gt100",
            "code-value-quantity=8480-6$gt100||kPa",
            "component-code-value-quantity=8480-6$120",
        ),
    ),
    Rule(
        "composite: the parts hold of one and the same component",
        PRESSURE,
        (
            "component-code-value-quantity=8480-6$gt140",
            "component-code-value-quantity=8462-4$lt100",
            "component-code-value-quantity=8480-6$150&component-code-value-quantity=8462-4$90",
            "combo-code-value-quantity=8480-6$150",
            f"component-code-value-quantity={LOINC}|8480-6$150|{UCUM}|mm[Hg]",
        ),
        (
            "component-code-value-quantity=8480-6$lt100",
            "component-code-value-quantity=8462-4$gt140",
            "code-value-quantity=8480-6$150",
            "combo-code-value-quantity=85354-9$150",
        ),
    ),
    Rule(
        "composite of two tokens",
        a("Observation", code=code("94500-6"), valueCodeableConcept=code("260373001", SNOMED)),
        (
            f"code-value-concept={LOINC}|94500-6${SNOMED}|260373001",
            "code-value-concept=94500-6$260373001",
            f"code-value-concept={LOINC}|94500-6$260373001",
            f"code-value-concept=94500-6${SNOMED}|260373001",
            f"code-value-concept={LOINC}|94500-6${SNOMED}|",
            f"code-value-concept={LOINC}|${SNOMED}|260373001",
            f"code-value-concept={LOINC}|$260373001",
        ),
        (
            f"code-value-concept={LOINC}|94500-6${SNOMED}|260415000",
            "code-value-concept=94500-7$260373001",
            "code-value-concept=94500-6$26037300",
            f"code-value-concept={SNOMED}|94500-6$260373001",
            f"code-value-concept={LOINC}|94500-6${LOINC}|",
            "code-value-concept=|94500-6$260373001",
            "code-value-concept=94500-6$|260373001",
        ),
    ),
    Rule(
        "composite of a token and a string: the string by its beginning",
        a("Observation", code=code("5778-6"), valueString="Dark yellow"),
        (
            "code-value-string=5778-6$dark",
            f"code-value-string={LOINC}|5778-6$DARK YEL",
            f"code-value-string={LOINC}|$dark",
        ),
        ("code-value-string=5778-6$yellow", "code-value-string=5778-7$dark"),
    ),
    Rule(
        "composite of a token and a date",
        a("Observation", code=code("11778-8"), valueDateTime="2020-05-01"),
        ("code-value-date=11778-8$2020-05", f"code-value-date={LOINC}|11778-8$ge2020"),
        ("code-value-date=11778-8$lt2020", "code-value-date=11778-9$2020-05"),
    ),
    Rule(
        "composite of a token and a reference",
        a(
            "DocumentReference",
            relatesTo=[
                {"code": "replaces", "target": {"reference": "DocumentReference/1"}},
                {"code": "appends", "target": {"reference": "DocumentReference/2"}},
            ],
        ),
        (
            "relationship=replaces$DocumentReference/1",
            "relationship=replaces$1",
            "relationship=http://hl7.org/fhir/document-relationship-type|appends$2",
        ),
        (
            "relationship=replaces$DocumentReference/2",
            "relationship=appends$1",
            "relationship=replaces$11",
        ),
    ),
    Rule(
        "composite of a token and two numbers: start and end of the same variant",
        a(
            "MolecularSequence",
            coordinateSystem=1,
            referenceSeq={
                "referenceSeqId": code("NC_000009.11", "http://www.ncbi.nlm.nih.gov/nuccore")
            },
            variant=[{"start": 10, "end": 20}, {"start": 100, "end": 200}],
        ),
        (
            "referenceseqid-variant-coordinate=NC_000009.11$10$20",
            "referenceseqid-variant-coordinate=NC_000009.11$gt50$lt300",
            "referenceseqid-variant-coordinate=NC_000009.11$ne10$ne20",
        ),
        (
            "referenceseqid-variant-coordinate=NC_000009.11$10$200",
            "referenceseqid-variant-coordinate=NC_000009.12$10$20",
            "referenceseqid-variant-coordinate=NC_000009.11$gt50$lt150",
        ),
    ),
    Rule(
        "composite of a token and a range",
        a(
            "ValueSet",
            status="draft",
            useContext=[
                {
                    "code": {"system": "urn:c", "code": "age"},
                    "valueRange": {"low": {"value": 18, "code": "a"}},
                }
            ],
        ),
        ("context-type-quantity=age$gt60", "context-type-quantity=urn:c|age$sa17||a"),
        ("context-type-quantity=age$lt18", "context-type-quantity=gender$gt60"),
    ),
    Rule(
        "composite of a characteristic and its value",
        a(
            "Group",
            type="person",
            actual=True,
            characteristic=[
                {"code": code("gender"), "valueCodeableConcept": code("female"), "exclude": False},
                {"code": code("smoker"), "valueBoolean": True, "exclude": False},
            ],
        ),
        ("characteristic-value=gender$female", "characteristic-value=smoker$true"),
        ("characteristic-value=gender$true", "characteristic-value=smoker$female"),
    ),
    Rule(
        "The modifier :below is used with canonical references: some-profile|1 matches |1.0 and |1.1, and not |2.0",
        a("QuestionnaireResponse", status="completed", questionnaire="http://acme.com/q|1.1"),
        (
            "questionnaire:below=http://acme.com/q",
            "questionnaire:below=http://acme.com/q|1",
            "questionnaire:below=http://acme.com/q|1.1",
        ),
        (
            "questionnaire:below=http://acme.com/q|2",
            "questionnaire:below=http://acme.com/q|1.1.0",
            "questionnaire:below=http://acme.com",
            "questionnaire=http://acme.com/q|1",
        ),
        source="https://hl7.org/fhir/R4/search.html#versions",
    ),
    Rule(
        "A version that begins with the same digits is another one",
        a("QuestionnaireResponse", status="completed", questionnaire="http://acme.com/q|10.0"),
        ("questionnaire:below=http://acme.com/q|10",),
        ("questionnaire:below=http://acme.com/q|1",),
        source="https://hl7.org/fhir/R4/search.html#versions",
    ),
]
