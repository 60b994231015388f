"""Which SearchParameters can be used, and what each becomes on its bases."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.errors import InvalidResource
from fhir_server.fhir.resource import Resource
from fhir_server.search.custom import check, parameters_of, reason_not_used
from tests.search.support import DEFINITIONS

CODE = "http://hl7.org/fhir/SearchParameter/clinical-code"
VALUE = "http://hl7.org/fhir/SearchParameter/Observation-value-quantity"


def a_parameter(**more: Any) -> Resource:
    return {
        "resourceType": "SearchParameter",
        "url": "https://example.org/SearchParameter/x",
        "name": "X",
        "status": "active",
        "description": "x",
        "code": "x",
        "base": ["Flag"],
        "type": "token",
        "expression": "Flag.code",
        **more,
    }


def a_composite(*parts: tuple[str, str]) -> Resource:
    components = [{"definition": url, "expression": path} for url, path in parts]
    return a_parameter(
        base=["Observation"], type="composite", expression="Observation", component=components
    )


@pytest.mark.parametrize(
    ("parameter", "place", "told"),
    [
        (a_parameter(code="_x"), "code", "up to 64 letters"),
        (a_parameter(code="x:y"), "code", "up to 64 letters"),
        (a_parameter(code="x.y"), "code", "up to 64 letters"),
        (a_parameter(type="special"), "type", "the type special is not served"),
        (a_parameter(base=["Flog"], expression="Flog.code"), "base[0]", "no resource type 'Flog'"),
        (a_parameter(base=["Flag", "HumanName"]), "base[1]", "no resource type 'HumanName'"),
        (a_parameter(expression="Flag.code.("), "expression", "column"),
        (a_parameter(expression="Flag.cod"), "expression", "Flag has no element cod"),
        (a_parameter(expression="Flag.code.coding.sistem"), "expression", "no element sistem"),
        (a_parameter(expression="Patient.gender"), "expression", "begins with Flag."),
        (a_parameter(expression="code"), "expression", "begins with Flag."),
        (a_parameter(expression="Flag.code | " * 400), "expression", "up to 2000 characters"),
        (a_parameter(type="date"), "expression", "yields CodeableConcept"),
        (a_parameter(type="quantity", expression="Flag.period"), "expression", "yields Period"),
        (a_parameter(expression="Flag.code.text.matches('(a+)+')"), "expression", "too long"),
        (a_parameter(expression="Flag.descendants()"), "expression", "too long"),
        (a_parameter(base=["Flag", "Slot"]), "expression", "begins with Slot."),
        (a_composite(), "component", "two components"),
        (a_composite((CODE, "code")), "component", "two components"),
        (a_composite((CODE, "code"), ("http://x", "value")), "component[1].definition", "http://x"),
        (a_composite((VALUE, "value"), (CODE, "code")), "component", "codes first"),
        (a_composite((CODE, "code.("), (VALUE, "value")), "component[0].expression", "column"),
    ],
)
def test_what_could_not_be_searched_by_is_refused_with_place_and_reason(
    parameter: Resource, place: str, told: str
) -> None:
    with pytest.raises(InvalidResource) as refused:
        check(parameter, DEFINITIONS)

    issue = refused.value.issues[0]
    assert issue.expression == f"SearchParameter.{place}"
    assert told in issue.diagnostics


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        (a_parameter(status="draft"), "its status is draft"),
        (a_parameter(status="retired", expression="Flag.nonsense"), "its status is retired"),
        ({k: v for k, v in a_parameter(xpath="f:Flag").items() if k != "expression"}, "XPath"),
    ],
)
def test_what_is_not_to_be_used_is_taken_as_it_is(parameter: Resource, told: str) -> None:
    check(parameter, DEFINITIONS)

    assert told in reason_not_used(parameter)


def test_an_expression_is_narrowed_to_each_base() -> None:
    expression = "Flag.code | (Slot.serviceType) | Resource.meta.tag"
    found = parameters_of(a_parameter(base=["Flag", "Slot"], expression=expression), DEFINITIONS)

    assert {base: each.expression for base, each in found.items()} == {
        "Flag": "Flag.code | Resource.meta.tag",
        "Slot": "(Slot.serviceType) | Resource.meta.tag",
    }
    assert all(each.added for each in found.values())


@pytest.mark.parametrize(
    "expression",
    [
        "Flag.extension('https://example.org/x').value",
        "Flag.code.coding.where(system = 'http://snomed.info/sct')",
        "Flag.subject.resolve().gender",
        "Flag.period.exists()",
        "(Flag.code as CodeableConcept)",
        "Flag.contained.ofType(Patient).gender",
    ],
)
def test_a_path_whose_types_may_fit_is_taken(expression: str) -> None:
    check(a_parameter(expression=expression), DEFINITIONS)
