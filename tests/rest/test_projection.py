"""Parts of resources: summaries and chosen elements."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.json import dump, parse
from fhir_server.fhir.resource import Key, Stored
from fhir_server.rest.projection import SUBSETTED, Projection, Projector, read_body
from fhir_server.settings import definitions_folder

DEFINITIONS = definitions_in(definitions_folder())
PROJECTOR = Projector(DEFINITIONS)

PATIENT = {
    "resourceType": "Patient",
    "id": "ada",
    "meta": {"versionId": "1", "tag": [{"code": "kept"}]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Ada</div>'},
    "extension": [{"url": "http://example.org/e", "valueBoolean": True}],
    "modifierExtension": [{"url": "http://example.org/m", "valueBoolean": True}],
    "identifier": [{"system": "http://example.org", "value": "1"}],
    "active": True,
    "_active": {"id": "a1"},
    "name": [
        {"family": "Lovelace", "extension": [{"url": "http://example.org/n", "valueInteger": 1}]}
    ],
    "photo": [{"title": "face"}],
    "communication": [{"language": {"text": "English"}, "preferred": True}],
    "link": [{"other": {"reference": "Patient/eve"}, "type": "seealso"}],
}
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"text": "weight"},
    "valueQuantity": {"value": 71, "unit": "kg"},
    "note": [{"text": "after breakfast"}],
    "component": [
        {"code": {"text": "part"}, "valueString": "x", "interpretation": [{"text": "N"}]}
    ],
}
QUESTIONNAIRE = {
    "resourceType": "Questionnaire",
    "id": "q1",
    "status": "draft",
    "item": [{"linkId": "1", "type": "string", "item": [{"linkId": "2", "type": "string"}]}],
}


def cut(resource: dict[str, Any], projection: Projection) -> dict[str, Any]:
    result: dict[str, Any] = parse(PROJECTOR.project(dump(resource), projection))
    return result


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ((("_elements", "nmae"),), "did you mean name"),
        ((("_elements", "name.family"),), "Patient has no 'name.family'"),
        ((("_elements", "zzz"),), "top level"),
        ((("_summary", "count"),), "_summary is"),
        ((("_summary", "maybe"),), "_summary is"),
        ((("name", "ada"),), "not name"),
    ],
)
def test_a_read_refuses_what_it_cannot_do(pairs: tuple[tuple[str, str], ...], message: str) -> None:
    stored = Stored(Key("Patient", "ada"), 1, 0, "PUT", dump(PATIENT))
    with pytest.raises(BadRequest, match=message):
        read_body(PROJECTOR, stored, pairs)


@pytest.mark.parametrize("pairs", [(), (("_summary", "false"),), (("_elements", ""),)])
def test_without_a_projection_the_stored_bytes_are_sent(pairs: tuple[tuple[str, str], ...]) -> None:
    stored = Stored(Key("Patient", "ada"), 1, 0, "PUT", dump(PATIENT))

    assert read_body(PROJECTOR, stored, pairs) is stored.body


def test_a_summary_has_the_elements_that_are_marked_so() -> None:
    kept = cut(PATIENT, Projection("true"))

    assert set(kept) == {
        "resourceType", "id", "meta", "modifierExtension", "identifier", "active", "_active", "name",
        "link",
    }  # fmt: skip
    assert kept["name"] == [{"family": "Lovelace"}]
    assert kept["link"] == PATIENT["link"]


def test_a_summary_goes_into_choices_and_backbones() -> None:
    kept = cut(OBSERVATION, Projection("true"))

    assert kept["valueQuantity"] == {"value": 71, "unit": "kg"}
    assert kept["component"] == [{"code": {"text": "part"}, "valueString": "x"}]
    assert "note" not in kept


def test_a_text_summary_has_the_narrative_and_what_is_mandatory() -> None:
    assert set(cut(PATIENT, Projection("text"))) == {
        "resourceType", "id", "meta", "text", "modifierExtension",
    }  # fmt: skip
    assert set(cut(OBSERVATION, Projection("text"))) == {
        "resourceType", "id", "meta", "status", "code",
    }  # fmt: skip


def test_a_data_summary_has_all_but_the_narrative() -> None:
    assert set(cut(PATIENT, Projection("data"))) == set(PATIENT) - {"text"}


def test_elements_are_those_asked_for_and_the_mandatory_ones() -> None:
    kept = cut(OBSERVATION, Projection(elements=("value",)))

    assert set(kept) == {"resourceType", "id", "meta", "status", "code", "valueQuantity"}


def test_a_recursive_element_is_cut_like_its_parent() -> None:
    assert "item" not in cut(QUESTIONNAIRE, Projection("true"))
    assert cut(QUESTIONNAIRE, Projection(elements=("item",)))["item"] == QUESTIONNAIRE["item"]


def test_an_included_resource_is_whole_where_elements_are_asked_for() -> None:
    body = dump(PATIENT)

    assert PROJECTOR.project(body, Projection(elements=("name",)), included=True) is body
    assert PROJECTOR.project(body, Projection("true"), included=True) != body


@pytest.mark.parametrize("resource", [PATIENT, OBSERVATION, QUESTIONNAIRE])
@pytest.mark.parametrize("summary", ["true", "text", "data"])
def test_what_is_cut_says_so_once_and_is_valid(resource: dict[str, Any], summary: str) -> None:
    once = cut(resource, Projection(summary))
    twice = cut(once, Projection(summary))

    assert once["meta"]["tag"].count(SUBSETTED) == 1
    assert twice == once
    assert [
        each for each in Validator(DEFINITIONS).validate(once) if each.severity == "error"
    ] == []
    assert list(once)[:3] == ["resourceType", "id", "meta"]
