"""The text of codes, and value sets: https://hl7.org/fhir/R4/search.html#token."""

from tests.search.cases import Rule, a

LOINC = "http://loinc.org"
GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"
GENDER = "http://hl7.org/fhir/administrative-gender"
STATUSES = "http://hl7.org/fhir/ValueSet/observation-status"
PRESSURE = {
    "coding": [{"system": LOINC, "code": "8480-6", "display": "Systolic blood pressure"}],
    "text": "Pression artérielle (systolique)",
}

RULES = [
    Rule(
        ":text: processed as a string that searches CodeableConcept.text",
        a("Observation", code=PRESSURE),
        ("code:text=pression", "code:text=Pression Arterielle", "code:text=pression-artérielle s"),
        ("code:text=arterielle", "code:text=8480-6", "code=Pression", "category:text=pression"),
    ),
    Rule(
        ":text: or Coding.display, of each coding of a concept",
        a("Observation", code=PRESSURE),
        ("code:text=Systolic", "code:text=diastolic,systolic bl", "combo-code:text=systolic"),
        ("code:text=blood", "code:text=systolicx", "component-code:text=systolic"),
    ),
    Rule(
        ":text: Coding.display where the element is a Coding",
        a("Patient", meta={"tag": [{"system": "urn:t", "code": "x", "display": "Test data"}]}),
        ("_tag:text=test",),
        ("_tag:text=data", "_tag:text=x", "_security:text=test"),
    ),
    Rule(
        ":text: Identifier.type.text, not the identifier's value",
        a("Patient", identifier=[{"value": "99", "type": {"text": "Hospital number"}}]),
        ("identifier:text=hospital",),
        ("identifier:text=99", "identifier:text=number", "identifier=hospital"),
    ),
    Rule(
        ":text: a normal string search, of the folded beginning however long the text is",
        a("Observation", code={"text": "long " * 50}),
        ("code:text=" + "long " * 20,),
        ("code:text=ong",),
    ),
    Rule(
        ":text finds nothing in a code that has no text",
        a("Patient", gender="female", identifier=[{"value": "99"}]),
        ("gender=female",),
        ("gender:text=female", "identifier:text=99"),
    ),
    Rule(
        ":in: the coding is in the specified value set",
        a("Patient", gender="female"),
        (f"gender:in={GENDERS}", f"gender:in={GENDERS}|4.0.1", f"gender:in={STATUSES},{GENDERS}"),
        (f"gender:in={STATUSES}", f"gender:not-in={GENDERS}", "gender:not-in=" + GENDERS),
    ),
    Rule(
        ":in is of system and code together",
        a("Observation", code={"coding": [{"system": LOINC, "code": "female"}, {"code": "male"}]}),
        (f"code:not-in={GENDERS}",),
        (f"code:in={GENDERS}",),
    ),
    Rule(
        ":in of one coding of several",
        a("Observation", code={"coding": [{"code": "x"}, {"system": GENDER, "code": "male"}]}),
        (f"code:in={GENDERS}", f"combo-code:in={GENDERS}"),
        (f"code:not-in={GENDERS}",),
    ),
    Rule(
        ":not-in, as :not, includes resources that have no value for the parameter",
        a("Patient"),
        (f"gender:not-in={GENDERS}", f"gender:not-in={STATUSES},{GENDERS}"),
        (f"gender:in={GENDERS}",),
    ),
]
