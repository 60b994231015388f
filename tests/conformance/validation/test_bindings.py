"""Required bindings."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.conformance.validation.bindings import bound_coding
from fhir_server.conformance.validation.report import Report, root
from fhir_server.fhir.resource import Resource
from tests.conformance.validation.judging import a_patient, told, verdict

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def _condition(status: Any) -> Resource:
    return {"resourceType": "Condition", "subject": {"display": "x"}, "clinicalStatus": status}


@pytest.mark.parametrize("gender", ["Male", "m", "x" * 1000])
def test_a_code_outside_the_value_set_is_refused(gender: str) -> None:
    assert verdict(a_patient(gender=gender)) == ["code-invalid at Patient.gender"]


@pytest.mark.parametrize("gender", [{}, 1, True])
def test_what_is_no_code_is_refused_as_that(gender: Any) -> None:
    assert verdict(a_patient(gender=gender)) == ["structure at Patient.gender"]


@pytest.mark.parametrize(
    "status",
    [
        {"text": "active"},
        {"coding": [{"system": CLINICAL, "code": "Active"}]},
        {"coding": [{"code": "active"}]},
        {"coding": [{"system": "http://example.org", "code": "active"}]},
        {"coding": [{"system": CLINICAL}]},
    ],
)
def test_a_concept_without_a_code_of_the_value_set_is_refused(status: Resource) -> None:
    assert verdict(_condition(status)) == ["code-invalid at Condition.clinicalStatus"]


def test_a_concept_of_the_wrong_form_is_refused_without_an_error_of_ours() -> None:
    found = verdict(_condition({"coding": "active"}))

    assert found == [
        "structure at Condition.clinicalStatus.coding",
        "code-invalid at Condition.clinicalStatus",
    ]
    assert verdict(_condition("active")) == ["structure at Condition.clinicalStatus"]


def test_a_concept_with_one_code_of_the_value_set_is_accepted() -> None:
    codings = [
        {"system": "http://example.org", "code": "x"},
        {"system": CLINICAL, "code": "active"},
    ]

    assert verdict(_condition({"coding": codings})) == []


def test_a_value_set_that_cannot_be_listed_is_not_judged() -> None:
    photo = {"contentType": "image/x-unheard-of", "url": "http://example.org"}

    assert verdict(a_patient(photo=[photo])) == []


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        (
            a_patient(gender="m"),
            (
                "'m' is not in http://hl7.org/fhir/ValueSet/administrative-gender: "
                "it has female, male, other, unknown"
            ),
        ),
        (
            _condition({"coding": [{"code": "active"}]}),
            f"the code 'active' needs the system {CLINICAL}",
        ),
        (
            _condition({"text": "active"}),
            "a code of http://hl7.org/fhir/ValueSet/condition-clinical is needed, and none is given",
        ),
        (
            {"resourceType": "SearchParameter", "base": ["Patiend"]},
            "'Patiend' is not in http://hl7.org/fhir/ValueSet/resource-types; near is Patient",
        ),
    ],
)
def test_a_refusal_says_what_would_work(resource: Resource, message: str) -> None:
    assert told(resource) == message


@pytest.mark.parametrize(
    ("coding", "issues"),
    [({"system": "s", "code": "a"}, 0), ({"system": "s", "code": "b"}, 1), ({"code": "a"}, 1)],
)
def test_a_coding_is_held_to_system_and_code(coding: Resource, issues: int) -> None:
    report = Report()
    check = bound_coding(lambda *_: None, {"s": frozenset({"a"})}, "http://example.org/set")

    check(coding, root("Coding"), report)

    assert len(report.issues) == issues
