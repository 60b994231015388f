"""Units of quantities in composites: https://hl7.org/fhir/R4/search.html#quantity and #composite."""

from decimal import Decimal
from typing import Any

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
IN_MMHG = {"unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}
SYSTOLIC = {"coding": [{"system": LOINC, "code": "8480-6"}]}
DIASTOLIC = {"coding": [{"system": LOINC, "code": "8462-4"}]}


def pressure(value: str, **quantity: str) -> Resource:
    return a("Observation", code=SYSTOLIC, valueQuantity=of(value, **(quantity or IN_MMHG)))


def of(value: str, **quantity: str) -> dict[str, Any]:
    return {"value": Decimal(value), **quantity}


RULES = [
    Rule(
        "composite: a quantity is converted as by itself: 150 mm[Hg] is 19.9983 kPa",
        pressure("150"),
        (
            f"code-value-quantity=8480-6$gt0.1|{UCUM}|kPa",
            f"code-value-quantity={LOINC}|8480-6$gt19|{UCUM}|kPa",
            f"code-value-quantity={LOINC}|8480-6$ge19.9983|{UCUM}|kPa",
            f"code-value-quantity=8480-6$le19.9983|{UCUM}|kPa",
            f"code-value-quantity=8480-6$20.0|{UCUM}|kPa",
            f"code-value-quantity=8480-6$19998.3|{UCUM}|Pa",
            f"combo-code-value-quantity=8480-6$lt20|{UCUM}|kPa",
        ),
        (
            f"code-value-quantity=8480-6$gt19.9983|{UCUM}|kPa",
            f"code-value-quantity=8480-6$lt19.9983|{UCUM}|kPa",
            f"code-value-quantity=8480-6$150|{UCUM}|kPa",
            f"code-value-quantity=8480-6$gt0|{UCUM}|kg",
            f"code-value-quantity=8462-4$gt0.1|{UCUM}|kPa",
            f"code-value-quantity={UCUM}|8480-6$gt0.1|{UCUM}|kPa",
            "code-value-quantity=8480-6$20||kPa",
        ),
    ),
    Rule(
        "composite: code and unit of one and the same component",
        a(
            "Observation",
            component=[
                {"code": SYSTOLIC, "valueQuantity": of("150", **IN_MMHG)},
                {"code": DIASTOLIC, "valueQuantity": of("12", system=UCUM, code="kPa")},
            ],
        ),
        (
            f"component-code-value-quantity=8480-6$gt19|{UCUM}|kPa",
            f"component-code-value-quantity=8462-4$gt90|{UCUM}|mm[Hg]",
            "component-code-value-quantity=8462-4$12",
            "component-code-value-quantity=8480-6$150",
        ),
        (
            f"component-code-value-quantity=8462-4$gt19|{UCUM}|kPa",
            f"component-code-value-quantity=8480-6$lt100|{UCUM}|mm[Hg]",
            "component-code-value-quantity=8462-4$gt90",
        ),
    ),
    Rule(
        "5.4: irrespective of the unit, in composites as well",
        pressure("150", system="urn:units", code="x"),
        (
            "code-value-quantity=8480-6$150",
            "code-value-quantity=8480-6$150||x",
            "code-value-quantity=8480-6$150|urn:units|x",
        ),
        (
            f"code-value-quantity=8480-6$150|{UCUM}|x",
            "code-value-quantity=8480-6$150|urn:other|x",
            f"code-value-quantity=8480-6$gt0|{UCUM}|mm[Hg]",
        ),
    ),
    Rule(
        "A unit that is not known is comparable with itself alone",
        pressure("37", system=UCUM, code="Cel"),
        (f"value-quantity=37|{UCUM}|Cel", f"code-value-quantity=8480-6$gt36|{UCUM}|Cel"),
        (f"value-quantity=gt0|{UCUM}|K", f"code-value-quantity=8480-6$gt0|{UCUM}|[degF]"),
    ),
    Rule(
        "A comparator leaves an end open in every unit",
        pressure("5", comparator="<", system=UCUM, code="mg"),
        (f"value-quantity=lt0.005|{UCUM}|g", f"code-value-quantity=8480-6$lt0.001|{UCUM}|g"),
        (f"value-quantity=ge0.005|{UCUM}|g", f"code-value-quantity=8480-6$0.005|{UCUM}|g"),
    ),
    Rule(
        "A code and a value asked apart are those of the one observation",
        pressure("150"),
        (
            "code=8480-6&value-quantity=gt140",
            f"code={LOINC}|8480-6&value-quantity=gt19|{UCUM}|kPa",
            f"code=x,8480-6&value-quantity=gt140&value-quantity=lt20|{UCUM}|kPa",
        ),
        (
            "code=8480-6&value-quantity=gt150",
            f"code={LOINC}|8480-6&value-quantity=gt20|{UCUM}|kPa",
            "code=8462-4&value-quantity=gt140",
        ),
    ),
]
