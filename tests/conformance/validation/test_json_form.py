"""The JSON form of a resource: properties, lists, nulls, partners of primitives, choices, cardinality."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.conformance.validation.compilation import Compiler
from fhir_server.conformance.validation.report import Report, root
from fhir_server.fhir.resource import Resource
from tests.conformance.validation.judging import (
    DEFINITIONS,
    a_patient,
    an_observation,
    told,
    verdict,
)

EXTENDED = {"extension": [{"url": "http://example.org/x", "valueCode": "masked"}]}
QUANTITY = {"value": 1}

REFUSED: list[tuple[str, Resource, list[str]]] = [
    ("an unknown property", a_patient(nmae=[]), ["structure at Patient"]),
    ("an unknown property deep within", a_patient(name=[{"x": 1}]), ["structure at Patient.name[0]"]),
    ("a resourceType in an element", a_patient(name=[{"resourceType": "x"}]), ["structure at Patient.name[0]"]),
    ("a partner of a complex element", a_patient(_name=[{}]), ["structure at Patient"]),
    ("a partner of an id", a_patient(name=[{"_id": EXTENDED}]), ["structure at Patient.name[0]"]),
    ("one where a list is needed", a_patient(name={"text": "x"}), ["structure at Patient.name"]),
    ("one primitive where a list is needed", a_patient(name=[{"given": "x"}]), ["structure at Patient.name[0].given"]),
    ("a list where one is needed", a_patient(gender=["male"]), ["structure at Patient.gender"]),
    ("a list where one element is needed", a_patient(maritalStatus=[{}]), ["structure at Patient.maritalStatus"]),
    ("a string where an element is needed", a_patient(maritalStatus="M"), ["structure at Patient.maritalStatus"]),
    ("a string where a reference is needed", an_observation(subject="Patient/1"), ["structure at Observation.subject"]),
    ("a list in a list", a_patient(name=[[{"text": "x"}]]), ["structure at Patient.name[0]"]),
    ("an empty list", a_patient(name=[]), ["structure at Patient.name"]),
    ("an empty list of primitives", a_patient(name=[{"given": []}]), ["structure at Patient.name[0].given"]),
    ("an empty list of partners", a_patient(name=[{"_given": []}]), ["structure at Patient.name[0].given"]),
    ("an empty element", a_patient(maritalStatus={}), ["structure at Patient.maritalStatus"]),
    ("an element with nothing but an id", a_patient(name=[{"id": "a"}]), ["structure at Patient.name[0]"]),
    ("null for one", a_patient(gender=None), ["structure at Patient.gender"]),
    ("null for an element", a_patient(maritalStatus=None), ["structure at Patient.maritalStatus"]),
    ("null for a list", a_patient(name=None), ["structure at Patient.name"]),
    ("null in a list of elements", a_patient(name=[None]), ["structure at Patient.name[0]"]),
    ("null in a list without partner", a_patient(name=[{"given": ["a", None]}]), ["structure at Patient.name[0].given[1]"]),
    ("null against null", a_patient(name=[{"given": ["a", None], "_given": [EXTENDED, None]}]), ["structure at Patient.name[0].given[1]"]),
    ("null in partners alone", a_patient(name=[{"_given": [None, EXTENDED]}]), ["structure at Patient.name[0].given[0]"]),
    ("more values than partners", a_patient(name=[{"given": ["a", "b"], "_given": [EXTENDED]}]), ["structure at Patient.name[0].given"]),
    ("fewer values than partners", a_patient(name=[{"given": ["a"], "_given": [EXTENDED, EXTENDED]}]), ["structure at Patient.name[0].given"]),
    ("one partner for a list", a_patient(name=[{"given": ["a"], "_given": EXTENDED}]), ["structure at Patient.name[0].given"]),
    ("a list of partners for one", a_patient(gender="male", _gender=[EXTENDED]), ["structure at Patient.gender"]),
    ("an empty partner", a_patient(gender="male", _gender={}), ["structure at Patient.gender"]),
    ("a partner with a value", a_patient(_gender={"value": "x"}), ["structure at Patient.gender"] * 2),
    ("an id without a value", a_patient(_gender={"id": "a"}), ["structure at Patient.gender"]),
    ("an id against null", a_patient(name=[{"given": [None], "_given": [{"id": "a"}]}]), ["structure at Patient.name[0].given[0]"]),
    ("a fault in a partner", a_patient(_gender={"extension": [{"url": "urn:x"}]}), ["invariant at Patient.gender.extension[0]"]),
    ("two of a choice", an_observation(valueString="x", valueQuantity=QUANTITY), ["structure at Observation.value"]),
    ("a partner of another choice", an_observation(valueQuantity=QUANTITY, _valueString=EXTENDED), ["structure at Observation.value"]),
    ("a choice without its type", an_observation(value="x"), ["structure at Observation"]),
    ("a type that the choice has not", an_observation(valueMoney={"value": 1}), ["structure at Observation"]),
    ("a fault in a choice", an_observation(valueQuantity={"value": "1"}), ["structure at Observation.value.value"]),
    ("a missing element", {"resourceType": "Observation", "status": "final"}, ["required at Observation.code"]),
    ("all elements missing", {"resourceType": "Observation"}, ["required at Observation.status", "required at Observation.code"]),
    ("a missing element deep within", a_patient(communication=[{"preferred": True}]), ["required at Patient.communication[0].language"]),
    ("a missing choice", {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": {"display": "x"}}, ["required at MedicationRequest.medication"]),
]  # fmt: skip

ACCEPTED: list[tuple[str, Resource]] = [
    ("nothing but the type", a_patient()),
    ("an id alone", a_patient(id="a")),
    ("a partner instead of a value", a_patient(_gender=EXTENDED)),
    ("a value and its partner", a_patient(gender="male", _gender=EXTENDED)),
    ("an id of a value", a_patient(gender="male", _gender={"id": "a"})),
    ("a required element by its partner", an_observation() | {"_status": EXTENDED}),
    ("null with its partner", a_patient(name=[{"given": ["a", None], "_given": [None, EXTENDED]}])),
    ("partners alone", a_patient(name=[{"_given": [EXTENDED, EXTENDED]}])),
    ("a choice", an_observation(valueQuantity=QUANTITY)),
    ("a choice and its partner", an_observation(valueString="x", _valueString=EXTENDED)),
    ("a choice by its partner", an_observation(_valueString=EXTENDED)),
    ("an element with nothing but an extension", a_patient(name=[EXTENDED])),
    (
        "an element that contains its own kind",
        {
            "resourceType": "Questionnaire",
            "status": "draft",
            "item": [
                {
                    "linkId": "1",
                    "type": "group",
                    "item": [{"linkId": "2", "type": "group", "item": [{"linkId": "3", "type": "display"}]}],
                }
            ],
        },
    ),
    ("the children of another element", an_observation(component=[{"code": {"text": "x"}, "referenceRange": [{"low": QUANTITY}]}])),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "expected"), [pytest.param(*c[1:], id=c[0]) for c in REFUSED])
def test_a_wrong_form_is_refused_at_its_place(resource: Resource, expected: list[str]) -> None:
    assert verdict(resource) == expected


@pytest.mark.parametrize("resource", [pytest.param(case[1], id=case[0]) for case in ACCEPTED])
def test_a_right_form_is_accepted(resource: Resource) -> None:
    assert verdict(resource) == []


def test_an_element_that_a_profile_of_a_data_type_took_away_is_refused() -> None:
    report = Report()
    compiler = Compiler(DEFINITIONS, resource=lambda *_: None, contained=lambda *_: None)

    compiler.shape("SimpleQuantity").check(QUANTITY | {"comparator": "<"}, root("Dose"), report)

    assert [issue.expression for issue in report.issues] == ["Dose.comparator"]


def test_a_reused_backbone_is_judged_like_the_original() -> None:
    component = {"code": {"text": "x"}, "referenceRange": [{"lo": {}}]}

    found = verdict(an_observation(component=[component]))

    assert found == ["structure at Observation.component[0].referenceRange[0]"]


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        (a_patient(nmae=[]), "there is no property 'nmae' here; did you mean name?"),
        (a_patient(zzzzzz=[]), "there is no property 'zzzzzz' here"),
        (an_observation(value="x"), "value[x] is written with its type, for example valueQuantity"),
        (a_patient(name={"text": "x"}), "name is a list: write [ … ] around an object"),
        (
            a_patient(gender=["male"]),
            "the element may be given once: write its value without [ … ]",
        ),
        (
            an_observation(valueString="x", valueQuantity=QUANTITY),
            "value[x] may be given once, not as valueQuantity and valueString",
        ),
        (
            a_patient(name=[{"given": ["a", "b"], "_given": [EXTENDED]}]),
            "given has 2 entries and _given 1: fill the shorter up with null",
        ),
    ],
)
def test_a_refusal_says_what_would_work(resource: Any, message: str) -> None:
    assert told(resource) == message
