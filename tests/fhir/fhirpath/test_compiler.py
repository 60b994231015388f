"""Expressions, from text to result: what is refused, what is found."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.conformance.definitions import Definitions, definitions_in
from fhir_server.fhir.fhirpath import (
    Environment,
    FhirPathError,
    Node,
    compile_path,
    compile_path_within,
    root,
)
from fhir_server.fhir.fhirpath.temporal import Temporal
from fhir_server.fhir.resource import Resource
from tests.fhir.fhirpath.conftest import Evaluator
from tests.support.data import ROOT

DEFINITIONS = definitions_in(ROOT / "profiles" / "r4")
PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "ada",
    "contained": [{"resourceType": "Organization", "id": "gp", "name": "Practice"}],
    "name": [
        {"use": "official", "family": "Lovelace", "given": ["Ada", "Augusta"]},
        {"use": "nickname", "given": ["Countess", None], "_given": [None, {"id": "g2"}]},
    ],
    "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@b.test"}],
    "birthDate": "1815-12-10",
    "_birthDate": {"extension": [{"url": "http://x.test/time", "valueTime": "10:00:00"}]},
    "deceasedDateTime": "1852-11-27",
    "managingOrganization": {"reference": "#gp"},
    "link": [{"other": {"reference": "#"}}],
    "generalPractitioner": [
        {"reference": "Practitioner/1"},
        {"reference": "https://other.test/fhir/Organization/2/_history/3"},
        {"reference": "urn:uuid:5d2b2f6c-3f0c-4f0c-8d7c-1c8f0d0a0a0a"},
        {"type": "PractitionerRole", "identifier": {"value": "x"}},
    ],
}


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "expected a value, not 'the end', at column 1"),
        ("name.", "at column 6"),
        ("name.where(", "at column 12"),
        ("name..given", "at column 6"),
        ("name given", "at column 6"),
        ("name[0", "at column 7"),
        ("name.$this", "expected a name, not 'this', at column 6"),
        ("name is 'HumanName'", "expected the name of a type"),
        ("1 +", "at column 4"),
        ("and", "at column 1"),
        ("'open", "at column 1"),
        ("name # given", "at column 6"),
        ("@2020-13", "@2020-13 at column 1 is no Date"),
        ("@2021-02-29", "is no Date"),
        ("@T25:00", "is no Time"),
        ("99999999999", "is above 2147483647"),
        ("9" * 5000, "is above 2147483647"),
        ("$that", "none of $this"),
        ("name.nope()", "no function nope() (column 6)"),
        ("name.where()", "where() takes 1 arguments, not 0 (column 6)"),
        ("name.first(1)", "first() takes 0 arguments, not 1"),
        ("%nope", "no constant %nope"),
        ("name is Nope", "no type 'Nope'"),
        ("name.ofType('x')", "the name of a type"),
        ("code.memberOf('http://x.test')", "without a terminology service"),
        ("(" * 200 + "1" + ")" * 200, "more than 100 levels"),
        ("-" * 200 + "1", "more than 100 signs"),
        ("a." * 20_000 + "b", "at most 20000 characters"),
    ],
)
def test_what_is_no_fhirpath_is_refused_with_its_place(
    expression: str, said: str, definitions: Definitions
) -> None:
    with pytest.raises(FhirPathError) as refusal:
        compile_path(expression, definitions)

    assert said in str(refusal.value)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    "expression",
    [
        "name.single()",
        "name is HumanName",
        "name['x']",
        "name and true",
        "name + 1",
        "-name.given.first()",
        "name < name",
        "1 < 'a'",
        "'a' - 'b'",
        "'a'.round()",
        "1.startsWith('1')",
        "1 & 'a'",
        "name.given.take('1')",
        "'a'.matches('(')",
        "'a'.replaceMatches('a', '$2')",
        "'a'.encode('rot13')",
        "1.5.round(-1)",
        "(1 | 2).allTrue()",
        "birthDate + 1 'cm'",
        "now()",
    ],
)
def test_what_has_no_result_is_refused_when_it_is_evaluated(
    expression: str, evaluate: Evaluator
) -> None:
    with pytest.raises(FhirPathError):
        evaluate(expression, PATIENT)


@pytest.mark.parametrize(
    "expression",
    ["name.given1", "Encounter.id", "deceasedDateTime", "name.given.use", "name.as(HumanName)"],
)
def test_what_no_type_has_is_empty_and_refused_only_if_strict(
    expression: str, evaluate: Evaluator
) -> None:
    assert evaluate(f"({expression}).exists() or true", PATIENT)
    with pytest.raises(FhirPathError):
        evaluate(expression, PATIENT, Environment(strict=True))


def test_long_lists_are_not_compared_without_their_order(evaluate: Evaluator) -> None:
    many: Resource = {"resourceType": "Patient", "name": [{"text": str(n)} for n in range(1001)]}

    with pytest.raises(FhirPathError, match="up to 1000 items"):
        evaluate("name ~ name", many)


def test_an_evaluation_ends_when_its_budget_is_spent(evaluate: Evaluator) -> None:
    many: Resource = {"resourceType": "Patient", "name": [{"text": str(n)} for n in range(300)]}
    nested = "name.where(%resource.name.where(%resource.name.exists(text = 'x')).exists())"

    with pytest.raises(FhirPathError, match="more than 1000 items"):
        evaluate(nested, many, Environment(budget=1000))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Patient.name.family", [("string", "Lovelace")]),
        ("name.use", [("code", "official"), ("code", "nickname")]),
        ("Resource.id", [("id", "ada")]),
        ("DomainResource.contained.id", [("id", "gp")]),
        ("Patient.contained.name", [("string", "Practice")]),
        ("Patient.deceased", [("dateTime", "1852-11-27")]),
        ("Patient.deceased as dateTime", [("dateTime", "1852-11-27")]),
        ("Patient.deceased as boolean", []),
        ("Patient.deceasedDateTime", []),
        ("telecom.where(system='email').value", [("string", "a@b.test")]),
        ("telecom.where('email' = system).value", [("string", "a@b.test")]),
        ("telecom.where(system='fax')", []),
        ("birthDate.extension('http://x.test/time').value", [("time", "10:00:00")]),
        ("birthDate.hasExtension('http://x.test/time')", [("System.Boolean", True)]),
        ("birthDate.extension.where(url='http://x.test/none')", []),
        ("name[1].given.id", [("string", "g2")]),
        ("name[1].given.hasValue()", [("System.Boolean", False)]),
        ("name[1].given.first().hasValue()", [("System.Boolean", True)]),
        ("name.given.count()", [("System.Integer", 4)]),
        ("name[-1]", []),
        ("name[7]", []),
        ("name.take(-1)", []),
        ("name.given.getValue()", []),
        ("id.getValue()", [("System.String", "ada")]),
        ("managingOrganization.resolve().name", [("string", "Practice")]),
        (
            "generalPractitioner.resolve().where($this is Practitioner).count()",
            [("System.Integer", 1)],
        ),
        ("generalPractitioner.where(resolve() is Organization).count()", [("System.Integer", 1)]),
        (
            "generalPractitioner.where(resolve() is PractitionerRole).count()",
            [("System.Integer", 1)],
        ),
        ("generalPractitioner.where(resolve() is Patient)", []),
        ("link.other.resolve().id", [("id", "ada")]),
        ("(1.2 + 1.8).toString()", [("System.String", "3.0")]),
        ("0.1 + 0.2 = 0.3", [("System.Boolean", True)]),
        ("1 / 0", []),
        ("2147483647 + 1", []),
        ("2.power(100000)", []),
        ("%resource.id = %context.id", [("System.Boolean", True)]),
        ("%`ext-x`", [("System.String", "http://hl7.org/fhir/StructureDefinition/x")]),
        ("Patient.deceased.exists() and Patient.deceased != false", [("System.Boolean", True)]),
        ("name.type().name.distinct()", [("System.String", "HumanName")]),
        ("birthDate.value", [("System.Date", Temporal("Date", (1815, 12, 10)))]),
        ("name.given.value.first()", [("System.String", "Ada")]),
        ("birthDate.id", []),
        ("Patient", [("Patient", PATIENT)]),
        ("generalPractitioner.first().resolve().identifier.value", []),
        ("name[1].given[1] = name[1].given[1]", [("System.Boolean", True)]),
        ("name.repeat($this).count()", [("System.Integer", 2)]),
        ("(name | name).count()", [("System.Integer", 2)]),
        ("name[{}]", []),
        ("birthDate is date", [("System.Boolean", True)]),
        ("birthDate + 1 month = @1816-01-10", [("System.Boolean", True)]),
        ("birthDate < @1815", []),
        ("birthDate < @1816", [("System.Boolean", True)]),
        ("{} ~ {}", [("System.Boolean", True)]),
    ],
)
def test_expressions_give_values_with_their_types(
    expression: str, expected: list[tuple[str, Any]], evaluate: Evaluator
) -> None:
    assert [(each.type, each.value) for each in evaluate(expression, PATIENT)] == expected


def test_elements_keep_their_json_value_and_what_is_beside_it(evaluate: Evaluator) -> None:
    assert evaluate("name.first()", PATIENT) == [Node("HumanName", PATIENT["name"][0])]
    assert evaluate("birthDate", PATIENT) == [Node("date", "1815-12-10", PATIENT["_birthDate"])]


def test_backbones_and_content_references_have_the_path_of_their_definition(
    evaluate: Evaluator,
) -> None:
    inner = {"linkId": "1.1", "text": "inner"}
    questionnaire = {
        "resourceType": "Questionnaire",
        "item": [{"linkId": "1", "item": [inner]}],
    }

    assert evaluate("Questionnaire.item.item", questionnaire) == [Node("Questionnaire.item", inner)]
    assert evaluate("item.item.linkId is string", questionnaire) == [
        Node("System.Boolean", value=True)
    ]
    assert [each.value for each in evaluate("repeat(item).linkId", questionnaire)] == ["1", "1.1"]


def test_the_clock_the_resolver_and_variables_come_from_outside(evaluate: Evaluator) -> None:
    found = Node("Practitioner", {"resourceType": "Practitioner", "id": "1"})
    environment = Environment(
        now=lambda: datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        resolve=lambda node: found if node.value.get("reference") == "Practitioner/1" else None,
        variables={"threshold": [Node("System.Decimal", Decimal("1.5"))]},
    )

    def value(expression: str) -> Any:
        (node,) = evaluate(expression, PATIENT, environment)
        return str(node.value)

    assert value("today()") == "2026-03-04"
    assert value("now()") == "2026-03-04T05:06:07.000Z"
    assert value("timeOfDay()") == "05:06:07.000"
    assert value("now() = now()") == "True"
    assert value("generalPractitioner.resolve().id") == "1"
    assert value("%threshold + 1") == "2.5"


def test_an_invariant_of_an_element_sees_the_resource_around_it(definitions: Definitions) -> None:
    invariant = compile_path_within(
        "%resource.id = 'ada' and %context.use = 'official'", definitions
    )
    node = Node("HumanName", PATIENT["name"][0])

    assert invariant(node, root(PATIENT)) == [Node("System.Boolean", value=True)]


def test_every_search_parameter_of_r4_compiles(definitions: Definitions) -> None:
    expressions = {
        expression
        for resource_type in definitions.resource_types
        for parameter in definitions.search_parameters(resource_type).values()
        for expression in (parameter.expression, *(c.expression for c in parameter.components))
        if expression
    }

    for expression in expressions:
        compile_path(expression, definitions)

    assert len(expressions) > 1000


PIECES = st.sampled_from(
    [
        "name",
        "given",
        ".",
        "(",
        ")",
        "[",
        "]",
        "0",
        "1.5",
        "'x'",
        "where",
        "select",
        "first()",
        "|",
        "and",
        "or",
        "=",
        "!=",
        "<",
        ">",
        "is",
        "as",
        "HumanName",
        "+",
        "-",
        "*",
        "/",
        "div",
        "mod",
        "&",
        "$this",
        "$total",
        "{}",
        ",",
        "%resource",
        "repeat",
        "children()",
        "descendants()",
        "@2020",
        "@T10",
        "4",
        "days",
        "'mg'",
        "not()",
        "~",
        "in",
        "contains",
    ]
)


@given(st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=30))
def test_whatever_is_written_gives_a_result_or_a_refusal(text: str) -> None:
    environment = Environment(budget=10_000)
    try:
        found = compile_path(text, DEFINITIONS, environment=environment)(root(PATIENT))
    except FhirPathError:
        return
    assert all(isinstance(each, Node) for each in found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceType",
                    "name",
                    "_name",
                    "given",
                    "_given",
                    "period",
                    "start",
                    "extension",
                    "url",
                    "contained",
                    "id",
                    "unit",
                    "code",
                    "value",
                    "valueQuantity",
                    "birthDate",
                    "_birthDate",
                    "managingOrganization",
                    "reference",
                    "telecom",
                    "system",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)
ANY_SHAPE = [
    compile_path(each, DEFINITIONS)
    for each in (
        "descendants()",
        "name.given | name.period.start | birthDate | id",
        "extension('x').value + 1 'mg'",
        "telecom.where(system = 'phone') | telecom.where(period.start < @2020)",
        "managingOrganization.resolve().id",
        "birthDate.extension.url.exists() and contained.name.exists() or multipleBirth > 1",
        "name ~ contact.name",
    )
]


@given(st.dictionaries(st.text(max_size=3), JSON) | JSON.filter(lambda value: type(value) is dict))
def test_a_resource_of_any_shape_gives_a_result_or_a_refusal(resource: Resource) -> None:
    for path in ANY_SHAPE:
        try:
            found = path(root({**resource, "resourceType": "Patient"}))
        except FhirPathError:
            continue
        assert all(isinstance(each, Node) for each in found)
