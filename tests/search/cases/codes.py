"""Tokens: https://hl7.org/fhir/R4/search.html#token."""

from typing import Any

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
MRN = "http://acme.org/patient"
GENDER = "http://hl7.org/fhir/administrative-gender"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"


def coded(*codings: dict[str, Any], **more: Any) -> Resource:
    return a("Observation", code={"coding": list(codings)}, **more)


def identified(**identifier: Any) -> Resource:
    return a("Patient", identifier=[identifier])


RULES = [
    Rule(
        "[code]: irrespective of the value of the system property",
        coded({"system": LOINC, "code": "8480-6"}),
        ("code=8480-6", "code=x,8480-6"),
        ("code=8480", "code=8480-6x", "code=8480-7", "code=Systolic"),
    ),
    Rule(
        "[system]|[code]: both match",
        coded({"system": LOINC, "code": "8480-6"}),
        (f"code={LOINC}|8480-6", f"code={SNOMED}|1,{LOINC}|8480-6"),
        (f"code={SNOMED}|8480-6", f"code={LOINC}|8480-7", f"code={LOINC}/|8480-6"),
    ),
    Rule(
        "|[code]: has the code and no system property",
        coded({"code": "8480-6"}),
        ("code=|8480-6", "code=8480-6"),
        (f"code={LOINC}|8480-6", "code=|8480-7"),
    ),
    Rule(
        "|[code] does not find a code that has a system",
        coded({"system": LOINC, "code": "8480-6"}),
        ("code=8480-6",),
        ("code=|8480-6",),
    ),
    Rule(
        "[system]|: any element where the system matches",
        coded({"system": LOINC, "code": "8480-6"}),
        (f"code={LOINC}|",),
        (f"code={SNOMED}|",),
    ),
    Rule(
        "Any coding of a CodeableConcept may match, system and code of the same one",
        coded({"system": LOINC, "code": "8480-6"}, {"system": SNOMED, "code": "271649006"}),
        (
            f"code={LOINC}|8480-6",
            f"code={SNOMED}|271649006",
            f"code={SNOMED}|&code={LOINC}|",
            "code=8480-6&code=271649006",
        ),
        (f"code={LOINC}|271649006", f"code={SNOMED}|8480-6"),
    ),
    Rule(
        ":not: the coding is not in the specified set",
        coded({"system": LOINC, "code": "8480-6"}),
        ("code:not=8462-4", f"code:not={SNOMED}|8480-6", "code:not=a,b"),
        ("code:not=8480-6", f"code:not={LOINC}|8480-6", "code:not=a,8480-6", f"code:not={LOINC}|"),
    ),
    Rule(
        ":not includes resources that have no value for the parameter",
        a("Observation"),
        ("code:not=8480-6", "code:missing=true", "code:not=8480-6&code:missing=true"),
        ("code=8480-6", "code:missing=false"),
    ),
    Rule(
        "gender:not=male: all patients that do not have a gender of male",
        a("Patient", gender="female"),
        ("gender:not=male", "gender:not=male,other"),
        ("gender:not=female", "gender:not=male,female"),
    ),
    Rule(
        "code: the system is implied by the value set that is bound",
        a("Patient", gender="female"),
        ("gender=female", f"gender={GENDER}|female", f"gender={GENDER}|"),
        ("gender=male", f"gender={LOINC}|female", "gender=|female", "gender=Female"),
    ),
    Rule(
        "Identifier: system and value",
        identified(system=MRN, value="2345"),
        (f"identifier={MRN}|2345", "identifier=2345", f"identifier={MRN}|"),
        (f"identifier={MRN}|234", "identifier=|2345", "identifier=http://other|2345"),
    ),
    Rule(
        "An identifier without system",
        identified(value="2345"),
        ("identifier=2345", "identifier=|2345"),
        (f"identifier={MRN}|2345",),
    ),
    Rule(
        "… by the one of its systems that has the code",
        a("Task", status="requested", intent="order"),
        (
            "intent=order",
            "intent=http://hl7.org/fhir/request-intent|order",
            "intent=http://hl7.org/fhir/request-intent|",
        ),
        (
            "intent=http://hl7.org/fhir/task-intent|order",
            "intent=http://hl7.org/fhir/task-intent|",
            "intent=|order",
        ),
    ),
    Rule(
        "… or by that which has all codes there are",
        a(
            "DocumentReference",
            status="current",
            content=[{"attachment": {"contentType": "application/pdf", "language": "cy"}}],
        ),
        (
            "contenttype=application/pdf",
            "contenttype=urn:ietf:bcp:13|application/pdf",
            "language=urn:ietf:bcp:47|cy",
        ),
        ("contenttype=urn:ietf:bcp:47|application/pdf", "contenttype=|application/pdf"),
    ),
    Rule(
        "Identifiers are matched as they are written: two that differ in case are two",
        identified(system=MRN, value="Ab-1"),
        ("identifier=Ab-1",),
        ("identifier=ab-1", "identifier=AB-1"),
    ),
    Rule(
        ":of-type: system|code|value of Identifier.type and Identifier.value",
        identified(
            type={"coding": [{"system": V2_0203, "code": "MR"}]}, system=MRN, value="446053"
        ),
        (f"identifier:of-type={V2_0203}|MR|446053", "identifier=446053"),
        (
            f"identifier:of-type={V2_0203}|MR|446054",
            f"identifier:of-type={V2_0203}|NI|446053",
            f"identifier:of-type={LOINC}|MR|446053",
        ),
    ),
    Rule(
        ":of-type: type and value of the same identifier",
        a(
            "Patient",
            identifier=[
                {"type": {"coding": [{"system": V2_0203, "code": "MR"}]}, "value": "1"},
                {"type": {"coding": [{"system": V2_0203, "code": "NI"}]}, "value": "2"},
            ],
        ),
        (f"identifier:of-type={V2_0203}|MR|1", f"identifier:of-type={V2_0203}|NI|2"),
        (f"identifier:of-type={V2_0203}|MR|2", f"identifier:of-type={V2_0203}|NI|1"),
    ),
    Rule(
        "ContactPoint: its value, and the kind it is of",
        a(
            "Patient",
            telecom=[
                {"system": "phone", "value": "0131 555"},
                {"system": "email", "value": "a@x.org"},
            ],
        ),
        (
            "telecom=0131 555",
            "telecom=phone|0131 555",
            "phone=0131 555",
            "email=a@x.org",
            "telecom=a@x.org",
            "telecom=email|",
        ),
        ("email=0131 555", "phone=a@x.org", "telecom=email|0131 555", "telecom=0131"),
    ),
    Rule(
        "boolean: true or false",
        a("Patient", active=False),
        (
            "active=false",
            "active=http://terminology.hl7.org/CodeSystem/special-values|false",
            "active:not=true",
        ),
        ("active=true", "active:not=false", "active=FALSE"),
    ),
    Rule(
        "deceased: no value means alive",
        a("Patient"),
        ("deceased=false",),
        ("deceased=true",),
    ),
    Rule(
        "deceased: a date means dead",
        a("Patient", deceasedDateTime="2020-01-01"),
        ("deceased=true", "death-date=2020"),
        ("deceased=false",),
    ),
    Rule(
        "deceased: false is alive",
        a("Patient", deceasedBoolean=False),
        ("deceased=false", "death-date:missing=true"),
        ("deceased=true", "death-date:missing=false"),
    ),
    Rule(
        "A concept with text only has no code, and is not missing",
        a("Observation", code={"text": "Blood pressure"}),
        ("code:missing=false",),
        ("code=Blood pressure", "code:missing=true"),
    ),
    Rule(
        "Coding: tags and security labels",
        a(
            "Patient",
            meta={
                "tag": [{"system": "urn:t", "code": "x"}],
                "security": [{"system": "urn:s", "code": "R"}],
            },
        ),
        ("_tag=x", "_tag=urn:t|x", "_security=urn:s|R", "_tag=urn:t|", "_tag:not=y"),
        ("_tag=y", "_security=x", "_tag=urn:s|x"),
    ),
    Rule(
        "The combo parameter asks the observation and its components",
        a(
            "Observation",
            code={"coding": [{"code": "panel"}]},
            component=[{"code": {"coding": [{"code": "part"}]}}],
        ),
        (
            "combo-code=panel",
            "combo-code=part",
            "code=panel",
            "component-code=part",
            "combo-code:not=x",
        ),
        ("code=part", "component-code=panel", "combo-code:not=part", "combo-code:not=panel"),
    ),
    Rule(
        "A code with a bar in it is escaped",
        identified(system=MRN, value="a|b"),
        ("identifier=a\\|b", f"identifier={MRN}|a\\|b"),
        ("identifier=a|b",),
    ),
    Rule(
        "A code longer than the index keeps is found as a whole",
        identified(system=MRN, value="x" * 300),
        ("identifier=" + "x" * 300, f"identifier={MRN}|" + "x" * 300),
        ("identifier=" + "x" * 180, "identifier=" + "x" * 299, f"identifier={MRN}|" + "x" * 180),
    ),
    Rule(
        "_id: the logical id",
        a("Patient"),
        ("_id=ada", "_id=eve,ada", "_id:not=eve", "_id:missing=false"),
        ("_id=eve", "_id=Ada", "_id:not=ada", "_id:missing=true"),
    ),
    Rule(
        "_lastUpdated: when the current version was made (2024-06-01T12:00:00Z)",
        a("Patient"),
        (
            "_lastUpdated=2024-06-01",
            "_lastUpdated=gt2024-05-31",
            "_lastUpdated=ge2024-06-01T12:00:00Z",
            "_lastUpdated=le2024-06-01T12:00:00Z",
            "_lastUpdated=lt2024-06-02",
            "_lastUpdated=sa2024-05",
            "_lastUpdated=eb2024-07",
            "_lastUpdated=ne2023",
            "_lastUpdated=ge2024-05-01&_lastUpdated=lt2024-07-01",
            "_lastUpdated=ap2024-06-01",
        ),
        (
            "_lastUpdated=2024-06-02",
            "_lastUpdated=gt2024-06-01",
            "_lastUpdated=ge2024-06-01T12:00:01Z",
            "_lastUpdated=lt2024-06-01",
            "_lastUpdated=ne2024",
            "_lastUpdated:missing=true",
        ),
    ),
    Rule(
        "contenttype:below=text/xml finds documents with a mime type such as text/xml; charset=UTF-8",
        a(
            "DocumentReference",
            status="current",
            content=[{"attachment": {"contentType": "text/xml; charset=UTF-8"}}],
        ),
        ("contenttype:below=text/xml", "contenttype:below=text/plain,text/xml"),
        (
            "contenttype=text/xml",
            "contenttype:below=text/xm",
            "contenttype:below=text/plain",
            "contenttype:below=application/xml",
        ),
        source="https://hl7.org/fhir/R4/search.html#mimetype",
    ),
    Rule(
        "A media type without parameters is below itself",
        a("Library", content=[{"contentType": "text/cql"}]),
        ("content-type:below=text/cql", "content-type=text/cql"),
        ("content-type:below=text/cql.x", "content-type:below=text/cq"),
        source="https://hl7.org/fhir/R4/search.html#mimetype",
    ),
    Rule(
        "If the underlying data type is string then the search is not case sensitive",
        a("Medication", batch={"lotNumber": "aB-12"}),
        (
            "lot-number=aB-12",
            "lot-number=ab-12",
            "lot-number=AB-12",
            "lot-number=|Ab-12",
            "lot-number:not=ab-13",
            "_filter=lot-number eq Ab-12",
            "_filter=lot-number ne ab-1",
        ),
        (
            "lot-number=ab-1",
            "lot-number=ab 12",
            "lot-number:not=AB-12",
            "lot-number=|AB-13",
            "lot-number=urn:x|aB-12",
            "_filter=lot-number ne aB-12",
            "_filter=lot-number ne AB-12",
        ),
    ),
]
