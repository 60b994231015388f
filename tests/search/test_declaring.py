"""What a server tells of its searches is read as it was told, and what it does not tell is unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.conformance.validation import Validator
from fhir_server.fhir.resource import Resource
from fhir_server.search.declaring import (
    OF_ONE,
    SEARCH,
    Abilities,
    abilities_in,
    extension_of,
    own_abilities,
)
from fhir_server.search.filtering import known_parameters
from fhir_server.search.parameter_types.modifiers import ANY_TYPE, modifiers_of
from fhir_server.settings import definitions_folder
from tests.search.support import DEFINITIONS

MOST = {"url": "maximumCount"}
DEFINITION: Resource = json.loads(
    (definitions_folder().parent / "extensions" / "capabilitystatement-search.json").read_text()
)


@pytest.mark.parametrize(
    "rest",
    [
        {},
        {"extension": 1},
        {"extension": [{"url": SEARCH}]},
        {"extension": [{"url": SEARCH, "extension": [{"url": "maximumCount"}, 5]}]},
        {"extension": [{"url": SEARCH, "extension": [{"url": "modifiers", "extension": "x"}]}]},
        {"extension": [{"url": SEARCH, "extension": [MOST | {"valuePositiveInt": True}]}]},
        {"extension": [{"url": SEARCH, "extension": [MOST | {"valuePositiveInt": -5}]}]},
        {"extension": [{"url": "https://other.example", "extension": [{"url": "sortable"}]}]},
    ],
)
def test_who_tells_nothing_that_can_be_read_may_be_asked_everything(rest: dict[str, Any]) -> None:
    found = abilities_in(rest)
    assert found == Abilities()
    assert found.takes("Patient", "name", "string", "contains")
    assert found.sorts("string")
    assert found.page(1_000_000) == 1_000_000


def test_what_this_server_tells_of_itself_is_read_as_it_is() -> None:
    own = own_abilities(1_000)
    assert abilities_in({"extension": [extension_of(own)]}) == own
    assert own.page(5_000) == 1_000
    assert not own.sorts("composite")


@pytest.mark.parametrize("resource_type", ["Patient", "Observation", "ValueSet", "RiskAssessment"])
def test_the_modifiers_of_each_parameter_are_those_that_are_served(resource_type: str) -> None:
    own = own_abilities(1_000)
    for code, parameter in known_parameters(DEFINITIONS, resource_type).parameters.items():
        served = {"Patient" if each == ANY_TYPE else each for each in modifiers_of(parameter)}
        asked = served | {"exact", "not", "of-type", "identifier", "above", "Patient"}
        taken = {each for each in asked if own.takes(resource_type, code, parameter.type, each)}
        assert taken == served, code


def test_one_parameter_may_have_others_than_its_type() -> None:
    found = Abilities(
        modifiers={"token": frozenset({"not"})},
        of_one={"_id": frozenset(), "Flag.code": frozenset({"in"})},
    )
    assert found.takes("Flag", "status", "token", "not")
    assert not found.takes("Flag", "_id", "token", "not")
    assert not found.takes("Flag", "code", "token", "not")
    assert found.takes("Flag", "code", "token", "in")
    assert found.takes("Flag", "date", "date", "missing")


def test_a_server_of_helios_is_understood_as_well() -> None:
    told = [{"url": OF_ONE, "valueCode": "exact"}, {"url": OF_ONE, "valueCode": "missing"}]
    parameter = {"name": "family", "type": "string", "extension": told}
    found = abilities_in({"resource": [{"type": "Patient", "searchParam": [parameter]}]})
    assert found.takes("Patient", "family", "string", "exact")
    assert not found.takes("Patient", "family", "string", "contains")
    assert found.takes("Patient", "given", "string", "contains")


def test_its_definition_is_a_valid_resource_and_names_all_its_parts() -> None:
    issues = Validator(DEFINITIONS).validate(DEFINITION)
    assert [each for each in issues if each.severity == "error"] == []
    assert DEFINITION["url"] == SEARCH
    fixed = {
        each["fixedUri"] for each in DEFINITION["differential"]["element"] if "fixedUri" in each
    }
    assert fixed == {SEARCH} | set(_urls(extension_of(own_abilities(7))["extension"]))


def _urls(parts: list[Resource]) -> list[str]:
    return [url for each in parts for url in (each["url"], *_urls(each.get("extension", [])))]
