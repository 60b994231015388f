"""Whole resources: their type, resources within resources, limits, extensions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.conformance.validation import Validator
from fhir_server.conformance.validation.report import MOST_ISSUES
from fhir_server.conformance.validation.shape import DEEPEST
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Resource
from tests.conformance.validation.judging import (
    DEFINITIONS,
    VALIDATOR,
    a_patient,
    an_observation,
    told,
    verdict,
)

NAMES = st.sampled_from(
    (
        *("id", "resourceType", "contained", "extension", "_extension", "url", "valueReference"),
        *("reference", "type", "coding", "code", "clinicalStatus", "subject", "text", "div"),
        *("name", "given", "_given", "gender", "_gender", "entry", "resource", "valueString"),
    )
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "a resource (an object) is needed here, not a list"),
        (None, "a resource (an object) is needed here, not null"),
        ("Patient", "a resource (an object) is needed here, not a string"),
        ({}, "a resource needs its resourceType"),
        ({"id": "a"}, "a resource needs its resourceType"),
        ({"resourceType": "Patiend"}, "'Patiend' is no resource type of R4; did you mean Patient?"),
        ({"resourceType": "DomainResource"}, "'DomainResource' is no resource type of R4"),
        ({"resourceType": "HumanName"}, "'HumanName' is no resource type of R4"),
        ({"resourceType": "../types/Patient"}, "'../types/Patient' is no resource type of R4"),
        ({"resourceType": 1}, "a resource type (a string) is needed here, not a number"),
        ({"resourceType": ["Patient"]}, "a resource type (a string) is needed here, not a list"),
    ],
)
def test_what_is_no_resource_is_refused(body: Any, message: str) -> None:
    assert verdict(body) == ["structure at Resource"]
    assert told(body).startswith(message)


def test_another_type_than_the_expected_is_refused() -> None:
    found = VALIDATOR.validate(a_patient(), expected_type="Observation")

    assert found == (
        Issue("error", "invalid", "Observation is needed here, not Patient", "Patient"),
    )


def test_the_expected_type_is_accepted() -> None:
    assert VALIDATOR.validate(a_patient(), expected_type="Patient") == ()


@pytest.mark.parametrize(
    ("outer", "place"),
    [
        ({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": None}]}, "Bundle.entry[0].resource"),
        ({"resourceType": "Parameters", "parameter": [{"name": "a", "part": [{"name": "b", "resource": None}]}]}, "Parameters.parameter[0].part[0].resource"),
    ],
)  # fmt: skip
def test_a_resource_within_another_is_judged_by_its_own_type(outer: Any, place: str) -> None:
    within = (outer.get("entry") or outer["parameter"][0]["part"])[0]

    for inner, expected in [
        ({"resourceType": "Observation", "code": {"text": "x"}}, [f"required at {place}.status"]),
        ({"status": "final"}, [f"structure at {place}"]),
        ({}, [f"structure at {place}"]),
        (an_observation(), []),
    ]:
        within["resource"] = inner
        assert verdict(outer) == expected


@pytest.mark.parametrize(
    "extension",
    [
        {"url": "http://example.org/x"},
        {"url": "http://example.org/x", "valueCode": "a", "extension": [{"url": "b", "valueCode": "b"}]},
        {"url": "http://example.org/x", "_valueCode": {"id": "x"}, "extension": [{"url": "b", "valueCode": "b"}]},
    ],
)  # fmt: skip
def test_an_extension_has_a_value_or_extensions(extension: Resource) -> None:
    assert "invariant at Patient.extension[0]" in verdict(a_patient(extension=[extension]))


@pytest.mark.parametrize(
    ("extension", "expected"),
    [
        ({"valueCode": "a"}, ["required at Patient.extension[0].url"]),
        ({"url": "a b", "valueCode": "a"}, ["value at Patient.extension[0].url"]),
        ({"url": "a", "valueCode": "a"}, ["value at Patient.extension[0].url"]),
        ({"url": "urn:a", "_url": {"id": "a"}, "valueCode": "a"}, ["structure at Patient.extension[0]"]),
        ({"url": "urn:a", "valueCode": "a", "valueId": "a"}, ["structure at Patient.extension[0].value"]),
        ({"url": "urn:a", "extension": [{"url": "b"}]}, ["invariant at Patient.extension[0].extension[0]"]),
    ],
)  # fmt: skip
def test_an_extension_has_a_url_and_one_value(extension: Resource, expected: list[str]) -> None:
    assert verdict(a_patient(extension=[extension])) == expected


def _nested(levels: int) -> Resource:
    extension: Resource = {"url": "a", "valueCode": "a"}
    for _ in range(levels - 1):
        extension = {"url": "a", "extension": [extension]}
    return a_patient(extension=[extension | {"url": "http://example.org/x"}])


@pytest.mark.parametrize("levels", [DEEPEST + 1, 50_000])
def test_elements_nested_without_end_are_refused(levels: int) -> None:
    resource = _nested(levels)

    found = VALIDATOR.validate(resource)

    assert [issue.code for issue in found] == ["too-costly"]
    # A deep value is taken apart here, since freeing it at once would recurse as deeply.
    extension = resource.pop("extension")
    while extension:
        extension = extension[0].pop("extension", None)


def test_elements_nested_deeply_are_accepted() -> None:
    assert verdict(_nested(DEEPEST)) == []


def test_no_more_issues_are_listed_than_anyone_reads() -> None:
    found = VALIDATOR.validate(a_patient(name=[{"x": 1}] * 10_000))

    assert len(found) == MOST_ISSUES + 1
    assert found[-1].severity == "information"


def test_all_issues_are_told_in_the_order_of_the_resource() -> None:
    resource = a_patient(
        birthDate="x", gender="x", name=[{"use": "x", "given": ["a", ""]}, {"family": 1}]
    )

    assert verdict(resource) == [
        "value at Patient.birthDate",
        "code-invalid at Patient.gender",
        "code-invalid at Patient.name[0].use",
        "value at Patient.name[0].given[1]",
        "structure at Patient.name[1].family",
    ]


@pytest.mark.parametrize("name", sorted(DEFINITIONS.resource_types))
def test_each_resource_type_is_known_with_its_elements(name: str) -> None:
    unknown = verdict({"resourceType": name, "id": "a", "language": "en", "zzz": 1})

    assert unknown[0] == f"structure at {name}"
    assert all(issue.startswith("required at ") for issue in unknown[1:])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(st.sampled_from(("Patient", "Observation", "Bundle", "Condition")), JSON, JSON)
def test_anything_gets_a_verdict(resource_type: str, one: Any, other: Any) -> None:
    for resource in (one, {"resourceType": one}, {"resourceType": resource_type, "x": one}):
        assert VALIDATOR.validate(resource)
    known = {"resourceType": resource_type, "contained": one, "extension": other, "subject": other}
    if isinstance(one, dict):
        known |= one
    VALIDATOR.validate(known)


def test_a_number_of_any_size_is_told_of() -> None:
    found = told(a_patient(multipleBirthInteger=10**5_000))

    assert found.startswith("a number of many digits is no integer")


def test_a_validator_keeps_nothing_of_what_it_judged() -> None:
    validator = Validator(DEFINITIONS)
    before = validator.validate(an_observation(subject={"reference": "#a"}))

    validator.validate(an_observation(contained=[a_patient(id="a")], subject={"reference": "#a"}))

    assert validator.validate(an_observation(subject={"reference": "#a"})) == before
