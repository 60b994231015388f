"""Numbers and quantities: https://hl7.org/fhir/R4/search.html#number and #quantity."""

from decimal import Decimal
from typing import Any

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a

UCUM = "http://unitsofmeasure.org"


def likely(probability: str) -> Resource:
    return a("RiskAssessment", prediction=[{"probabilityDecimal": Decimal(probability)}])


def ranged(**ends: Any) -> Resource:
    return a("RiskAssessment", prediction=[{"probabilityRange": ends}])


def measured(value: str, **quantity: str) -> Resource:
    return a("Observation", valueQuantity={"value": Decimal(value), **quantity})


IN_MG = {"unit": "milligram", "system": UCUM, "code": "mg"}

RULES = [
    Rule(
        "100: values that equal 100, to 3 significant figures precision: [99.5 ... 100.5)",
        likely("100"),
        (
            "probability=100",
            "probability=1e2",
            "probability=100.0",
            "probability=eq100",
            "probability=+100",
        ),
        ("probability=101", "probability=99", "probability=100.1", "probability=-100"),
    ),
    Rule(
        "The implied range holds its lower end",
        likely("99.5"),
        ("probability=100", "probability=99.5", "probability=99.50"),
        ("probability=99", "probability=99.4"),
    ),
    Rule(
        "The implied range does not hold its upper end",
        likely("100.5"),
        ("probability=101", "probability=100.5"),
        ("probability=100", "probability=100.4"),
    ),
    Rule(
        "100.00: to 5 significant figures precision: [99.995 ... 100.005)",
        likely("99.995"),
        ("probability=100.00", "probability=100", "probability=99.995"),
        ("probability=100.000", "probability=99.99"),
    ),
    Rule(
        "1e2: to one significant figure",
        likely("149.9"),
        ("probability=1e2", "probability=1E2"),
        ("probability=1.0e2", "probability=100", "probability=2e2"),
    ),
    Rule(
        "ne: the value is not within the implied range",
        likely("0.45"),
        ("probability=ne0.6", "probability=ne0.4", "probability=ne0.46"),
        ("probability=ne0.5", "probability=ne0.45", "probability=ne0.450"),
    ),
    Rule(
        "lt, gt: comparisons ignore the implicit precision of the number",
        likely("100.2"),
        ("probability=gt100", "probability=lt101", "probability=gt100.19", "probability=lt100.21"),
        ("probability=lt100", "probability=gt101", "probability=gt100.2", "probability=lt100.20"),
    ),
    Rule(
        "le, ge: the value itself is included",
        likely("100"),
        ("probability=ge100", "probability=le100", "probability=ge100.00", "probability=le1e2"),
        ("probability=ge100.01", "probability=le99.99", "probability=gt100", "probability=lt100"),
    ),
    Rule(
        "sa, eb: after and before, of a single number as gt and lt",
        likely("5"),
        ("probability=sa4.9", "probability=eb5.1"),
        ("probability=sa5", "probability=eb5"),
    ),
    Rule(
        "ap: within 10% of the stated value",
        likely("100"),
        ("probability=ap95", "probability=ap105", "probability=ap110", "probability=ap100"),
        ("probability=ap80", "probability=ap120"),
    ),
    Rule(
        "Negative numbers lie below zero, the more negative the lower",
        likely("-0.5"),
        ("probability=-0.5", "probability=lt0", "probability=gt-0.6", "probability=lt-0.4"),
        ("probability=0.5", "probability=gt0", "probability=lt-0.5", "probability=gt-0.4"),
    ),
    Rule(
        "Zero is a number",
        likely("0.00"),
        (
            "probability=0",
            "probability=0.000",
            "probability=le0",
            "probability=ge0",
            "probability=-0",
        ),
        ("probability=gt0", "probability=lt0", "probability=ne0", "probability=1"),
    ),
    Rule(
        "Numbers are compared as decimals, not as binary fractions",
        likely("0.30000000000000004"),
        ("probability=gt0.3", "probability=0.3", "probability=0.30000000000000004"),
        ("probability=le0.3", "probability=0.30000000000000003"),
    ),
    Rule(
        "Exponents apply to small numbers too",
        likely("0.00012"),
        ("probability=1.2e-4", "probability=0.00012", "probability=lt1e-3"),
        ("probability=1.2e-3", "probability=gt1e-3"),
    ),
    Rule(
        "A stored range is contained where both ends are",
        ranged(low={"value": Decimal("0.2")}, high={"value": Decimal("0.4")}),
        (
            "probability=ge0.3",
            "probability=le0.3",
            "probability=gt0.3",
            "probability=sa0.1",
            "probability=eb0.5",
        ),
        ("probability=0.3", "probability=gt0.4", "probability=lt0.2", "probability=sa0.2"),
    ),
    Rule(
        "A stored range without an end is open there",
        ranged(low={"value": Decimal("0.2")}),
        ("probability=gt1000000", "probability=sa0.1"),
        ("probability=lt0.2", "probability=eb1e30"),
    ),
    Rule(
        "5.4|http://unitsofmeasure.org|mg: 5.4(+/-0.05) mg, the unit understood as a UCUM unit",
        measured("5.4", **IN_MG),
        (
            f"value-quantity=5.4|{UCUM}|mg",
            f"value-quantity=5.40e0|{UCUM}|mg",
            f"value-quantity=gt5|{UCUM}|mg",
            f"value-quantity=le5.4|{UCUM}|mg",
        ),
        (
            f"value-quantity=5.5|{UCUM}|mg",
            f"value-quantity=5.4|{UCUM}|g",
            "value-quantity=5.4|http://example.org|mg",
            f"value-quantity=lt5|{UCUM}|mg",
        ),
    ),
    Rule(
        "Servers may convert UCUM units: 5.4 mg is 0.0054 g, and 5400 ug",
        measured("5.4", **IN_MG),
        (
            f"value-quantity=0.0054|{UCUM}|g",
            f"value-quantity=5400|{UCUM}|ug",
            f"value-quantity=gt0.005|{UCUM}|g",
            f"value-quantity=lt1|{UCUM}|[lb_av]",
            f"value-quantity=ap0.0000054|{UCUM}|kg",
        ),
        (
            f"value-quantity=0.0055|{UCUM}|g",
            f"value-quantity=gt5401|{UCUM}|ug",
            f"value-quantity=5.4|{UCUM}|mL",
            f"value-quantity=gt0|{UCUM}|mmol",
            f"value-quantity=gt0|{UCUM}|[no-such-unit]",
        ),
    ),
    Rule(
        "Units that UCUM defines by each other convert in quotients, too: 1 mg/dL is 0.01 g/L",
        measured("1", system=UCUM, code="mg/dL", unit="mg/dL"),
        (f"value-quantity=0.010|{UCUM}|g/L", f"value-quantity=lt0.02|{UCUM}|g/L"),
        (f"value-quantity=0.1|{UCUM}|g/L", f"value-quantity=gt0|{UCUM}|mg"),
    ),
    Rule(
        "5.4||mg: the unit, the code or the stated human unit, is mg",
        measured("5.4", **IN_MG),
        ("value-quantity=5.4||mg", "value-quantity=5.4||milligram", "value-quantity=ge5||mg"),
        ("value-quantity=5.4||g", "value-quantity=5.4||Milligram", "value-quantity=lt5||mg"),
    ),
    Rule(
        "5.4: irrespective of the unit",
        measured("5.4", **IN_MG),
        ("value-quantity=5.4", "value-quantity=5", "value-quantity=gt5.3", "value-quantity=ap5"),
        ("value-quantity=6", "value-quantity=gt5.4", "value-quantity=5.41"),
    ),
    Rule(
        "A quantity without unit has none of those",
        measured("5.4"),
        ("value-quantity=5.4",),
        ("value-quantity=5.4||mg", f"value-quantity=5.4|{UCUM}|mg"),
    ),
    Rule(
        "A comparator < says that the value lies below, and how far is open",
        measured("5", comparator="<", **IN_MG),
        ("value-quantity=lt5", "value-quantity=lt3", "value-quantity=eb5", "value-quantity=lt-5"),
        (
            "value-quantity=ge5",
            "value-quantity=gt5",
            "value-quantity=5",
            "value-quantity=4",
            "value-quantity=sa3",
        ),
    ),
    Rule(
        "A comparator >= includes the value itself",
        measured("5", comparator=">=", **IN_MG),
        ("value-quantity=ge5", "value-quantity=le5", "value-quantity=gt5", "value-quantity=gt1e9"),
        ("value-quantity=lt5", "value-quantity=5", "value-quantity=sa5"),
    ),
    Rule(
        "A comparator > excludes it",
        measured("5", comparator=">"),
        ("value-quantity=sa5", "value-quantity=gt5"),
        ("value-quantity=le5", "value-quantity=lt5"),
    ),
    Rule(
        "A comparator <= includes it",
        measured("-5", comparator="<="),
        ("value-quantity=le-5", "value-quantity=ge-5", "value-quantity=lt-5"),
        ("value-quantity=gt-5", "value-quantity=eb-5"),
    ),
    Rule(
        "The combo parameter asks the observation and its components",
        a("Observation", component=[{"valueQuantity": {"value": 7, "unit": "x"}}]),
        ("combo-value-quantity=7", "component-value-quantity=7", "combo-value-quantity=gt6||x"),
        ("value-quantity=7", "combo-value-quantity=8", "value-quantity:missing=false"),
    ),
    Rule(
        "Money is a quantity of its currency",
        a("Invoice", totalNet={"value": Decimal("12.50"), "currency": "GBP"}),
        ("totalnet=12.50", "totalnet=12.50||GBP", "totalnet=12.50|urn:iso:std:iso:4217|GBP"),
        ("totalnet=12.51", "totalnet=12.50||EUR"),
    ),
    Rule(
        "An age is a quantity",
        a("Condition", onsetAge={"value": 52, "unit": "years", "system": UCUM, "code": "a"}),
        ("onset-age=52", "onset-age=gt50||a", f"onset-age=52|{UCUM}|a", "onset-age=52||years"),
        ("onset-age=51", "onset-age=52||mo"),
    ),
    Rule(
        "A range of ages is a quantity with two ends",
        a(
            "Condition",
            onsetRange={"low": {"value": 50, "code": "a"}, "high": {"value": 60, "code": "a"}},
        ),
        ("onset-age=ge55||a", "onset-age=le55||a", "onset-age=sa40", "onset-age=eb70"),
        ("onset-age=55", "onset-age=gt60", "onset-age=lt50||a"),
    ),
    Rule(
        "Sampled data has no value to compare with",
        a("Observation", valueSampledData={"origin": {"value": 1}, "period": 1, "dimensions": 1}),
        ("value-quantity:missing=false",),
        ("value-quantity=1", "value-quantity=ne1"),
    ),
    Rule(
        "Whole numbers are numbers",
        a("MolecularSequence", coordinateSystem=1, variant=[{"start": 22, "end": 24}]),
        ("variant-start=22", "variant-end=gt23", "variant-start=22&variant-end=24"),
        ("variant-start=23", "variant-end=lt24"),
    ),
    Rule(
        "The system and code are also optional: bars without them ask for the number alone",
        measured("5.4", unit="milligram", code="mg"),
        ("value-quantity=5.4||", "value-quantity=gt5||"),
        ("value-quantity=5.5||", "value-quantity=lt5||"),
        source="https://hl7.org/fhir/R4/search.html#quantity",
    ),
]
