"""The filter language: https://hl7.org/fhir/R4/search_filter.html."""

from decimal import Decimal

from tests.search.cases import Rule, a

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"

PETER = a(
    "Patient",
    active=True,
    name=[{"family": "Pettersson", "given": ["Peter", "Ole"]}],
    birthDate="2014-10-10",
    gender="male",
    generalPractitioner=[{"reference": "Practitioner/4"}],
)
WEIGHT = a(
    "Observation",
    status="final",
    code={"coding": [{"system": LOINC, "code": "29463-7"}, {"system": "urn:x", "code": "weight"}]},
    valueQuantity={"value": Decimal("71.5"), "system": UCUM, "code": "kg"},
    effectivePeriod={"start": "2024-03-01", "end": "2024-03-10"},
    subject={"reference": "Patient/1"},
)
VALUE_SET = a("ValueSet", url="http://example.org/vs/colours")

RULES = [
    Rule(
        "name co 'pet': all patients with the characters 'pet' in a given or family name",
        PETER,
        ('_filter=name co "pet"', "_filter=name co ETER", "_filter=family co ERSS"),
        ('_filter=name co "pat"', "_filter=given co erss"),
    ),
    Rule(
        "given eq 'peter' and birthdate ge 2014-10-10: both must hold",
        PETER,
        (
            '_filter=given eq "peter" and birthdate ge 2014-10-10',
            "_filter=birthdate lt 2015 and gender eq male and active eq true",
        ),
        (
            '_filter=given eq "peter" and birthdate ge 2014-10-11',
            '_filter=given eq "paul" and birthdate ge 2014-10-10',
        ),
    ),
    Rule(
        "A filter can be a logical one (x or x, or x and x, or not x)",
        PETER,
        (
            "_filter=given eq paul or given eq peter",
            "_filter=not (given eq paul)",
            "_filter=not(not(given eq peter))",
            "_filter=NOT (given eq paul) AND gender EQ male",
        ),
        ("_filter=given eq paul or given eq mary", "_filter=not (given eq peter)"),
    ),
    Rule(
        "Logical expressions are evaluated left to right, with no precedence between 'and' and 'or'",
        PETER,
        (
            "_filter=gender eq female and active eq true or given eq peter",
            "_filter=given eq peter or (gender eq male and active eq false)",
        ),
        (
            # Were `and` to bind more tightly, the first `or` would be enough.
            "_filter=given eq peter or gender eq male and active eq false",
            "_filter=gender eq female and (active eq true or given eq peter)",
        ),
    ),
    Rule(
        "The only difference between a string and a token is that a string can contain spaces, ')', ']'",
        a("Patient", name=[{"family": 'van (der) "Berg", Jr'}]),
        (
            r'_filter=family eq "van (der) \"berg\", jr"',
            r'_filter=family eq "van der \u0042erg jr"',
            '_filter=(family sw "van (DER)")',
        ),
        ("_filter=family eq van", '_filter=family eq "van,der"'),
    ),
    Rule(
        "eq: an item in the set has an equal value; of strings, the character sequence is the same",
        PETER,
        ("_filter=name eq PETER", "_filter=given eq ole", "_filter=gender eq male"),
        ("_filter=name eq pete", '_filter=name eq "peter ole"', "_filter=gender eq mal"),
    ),
    Rule(
        "ne: an item in the set has an unequal value",
        PETER,
        ("_filter=given ne peter", "_filter=given ne ole", "_filter=gender ne female"),
        ("_filter=family ne pettersson", "_filter=gender ne male", "_filter=_id ne ada"),
    ),
    Rule(
        "sw and ew: an item in the set starts, or ends, with this value",
        PETER,
        ("_filter=given sw pe", "_filter=given ew TER", "_filter=family ew ersson"),
        ("_filter=given sw ter", "_filter=given ew pet", '_filter=name ew "xpettersson"'),
    ),
    Rule(
        "gt, lt, ge, le of strings compare Unicode code points, case insensitive",
        a("Patient", name=[{"family": "Miller"}]),
        (
            "_filter=family gt mill",
            "_filter=family ge MILLER",
            "_filter=family le miller",
            "_filter=family lt n",
        ),
        ("_filter=family gt miller", "_filter=family lt Miller", "_filter=family ge n"),
    ),
    Rule(
        "For detailed rules about eq, ne, le, ge, lt, gt, sa and eb see Search Prefixes",
        WEIGHT,
        (
            "_filter=date ge 2024-03-09",
            "_filter=date sa 2024-02",
            "_filter=date eb 2024-03-11",
            "_filter=date eq 2024-03",
            "_filter=date ne 2024-03-05",
            "_filter=value-quantity gt 71",
            "_filter=value-quantity le 71.5",
            "_filter=value-quantity ap 70",
        ),
        (
            "_filter=date gt 2024-03-10",
            "_filter=date sa 2024-03-01",
            "_filter=date eb 2024-03-10",
            "_filter=date eq 2024-03-05",
            "_filter=value-quantity lt 71.5",
            "_filter=value-quantity ne 71.5",
        ),
    ),
    Rule(
        "po: true if a (implied) date period in the set overlaps with the implied period in the value",
        WEIGHT,
        (
            "_filter=date po 2024-03-10",
            "_filter=date po 2024",
            "_filter=date po 2024-03-01T00:00Z",
            "_filter=_lastUpdated po 2024-06",
        ),
        ("_filter=date po 2024-03-11", "_filter=date po 2023", "_filter=_lastUpdated po 2024-05"),
    ),
    Rule(
        "co of dates: an item in the set's implicit period includes the stated value",
        WEIGHT,
        ("_filter=date co 2024-03-05", "_filter=date co 2024-03-10"),
        ("_filter=date co 2024-03", "_filter=date co 2024-03-11"),
    ),
    Rule(
        "pr: the set is empty or not (value is false or true)",
        PETER,
        ("_filter=gender pr true", "_filter=death-date pr false", '_filter=name pr "true"'),
        ("_filter=gender pr false", "_filter=death-date pr true"),
    ),
    Rule(
        "re: true if one of the references in set points to the given URL (relative or absolute)",
        PETER,
        (
            "_filter=general-practitioner re Practitioner/4",
            "_filter=general-practitioner re http://example.org/fhir/Practitioner/4",
        ),
        (
            "_filter=general-practitioner re Practitioner/5",
            "_filter=general-practitioner re Organization/4",
        ),
    ),
    Rule(
        "code eq http://loinc.org|1234-5: for token, the format is that of the search parameter",
        WEIGHT,
        (
            "_filter=code eq http://loinc.org|29463-7",
            "_filter=code eq 29463-7",
            "_filter=code eq urn:x|",
            "_filter=code ne http://loinc.org|29463-7",
            "_filter=combo-code eq weight",
        ),
        ("_filter=code eq http://loinc.org|weight", "_filter=status ne final"),
    ),
    Rule(
        "The codes loinc, snomed, rxnorm and ucum can be used in place of the full namespace",
        WEIGHT,
        (
            "_filter=code eq loinc|29463-7",
            "_filter=value-quantity gt 70|ucum|kg",
            "_filter=value-quantity gt 70000|ucum|g",
        ),
        ("_filter=code eq snomed|29463-7", "_filter=value-quantity gt 70|loinc|kg"),
    ),
    Rule(
        "The names are those of the search parameters: composites and those of all resources too",
        WEIGHT,
        (
            "_filter=code-value-quantity eq 29463-7$gt70",
            "_filter=_id eq ada",
            "_filter=_lastUpdated ge 2024-06-01",
        ),
        ("_filter=code-value-quantity eq 29463-7$gt72", "_filter=_id eq bob"),
    ),
    Rule(
        "Of URIs the characters are compared as they are",
        VALUE_SET,
        (
            "_filter=url eq http://example.org/vs/colours",
            "_filter=url sw http://example.org/vs",
            "_filter=url ew colours",
            "_filter=url co example.org",
            "_filter=url ne http://example.org/vs/colour",
        ),
        (
            "_filter=url eq http://example.org/vs",
            "_filter=url co EXAMPLE",
            "_filter=url ew vs",
            "_filter=url ne http://example.org/vs/colours",
        ),
    ),
    Rule(
        "Several filters, and filters beside other parameters, must all hold",
        PETER,
        (
            "_filter=given eq peter&_filter=given eq ole",
            "_filter=given eq peter&gender=male",
        ),
        (
            "_filter=given eq peter&_filter=given eq paul",
            "_filter=given eq peter&gender=female",
        ),
    ),
]
