"""The CapabilityStatement says what is served, and is a valid one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_server.conformance.capability import (
    Interactions,
    Security,
    Software,
    capability_statement,
    served_parameters,
)
from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.search.declaring import extension_of, own_abilities
from fhir_server.search.parameter_types.text import PLACES
from fhir_server.settings import definitions_folder

DEFINITIONS = definitions_in(definitions_folder())
ALL = Interactions(
    ("read", "vread", "update", "patch", "delete", "create", "search-type"),
    ("transaction", "batch"),
)


def a_statement(
    types: frozenset[str] = DEFINITIONS.resource_types,
    interactions: Interactions = ALL,
    security: Security = Security(),  # noqa: B008 - a frozen value
) -> dict[str, Any]:
    software = Software("1.2.3", "2026-11-23T05:41:56.123Z", "http://here/fhir")
    return capability_statement(
        DEFINITIONS,
        types=types,
        interactions=interactions,
        software=software,
        security=security,
    )


def test_it_is_valid_with_what_it_tells_of_its_searches_besides() -> None:
    told = extension_of(own_abilities(1_000))

    statement = a_statement(interactions=replace(ALL, extensions=[told]))

    assert statement["rest"][0]["extension"] == [told]
    issues = Validator(DEFINITIONS).validate(statement)
    assert [each for each in issues if each.severity == "error"] == []


def of_type(statement: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in statement["rest"][0]["resource"] if each["type"] == name)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("types", [DEFINITIONS.resource_types, frozenset({"Patient", "Binary"})])
def test_it_is_a_valid_resource(types: frozenset[str]) -> None:
    issues = Validator(DEFINITIONS).validate(a_statement(types))

    assert [each for each in issues if each.severity == "error"] == []


@pytest.mark.parametrize(
    "uris", [{}, {"token": "https://a.example/token"}, {"authorize": "https://a.example/x"}]
)
def test_addresses_of_the_issuer_are_told_when_both_that_are_needed_are_known(
    uris: dict[str, str],
) -> None:
    security = a_statement(security=Security(oauth_uris=uris))["rest"][0]["security"]

    assert "extension" not in security
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


def test_where_tokens_are_asked_for_the_statement_says_whose() -> None:
    uris = {"authorize": "https://a.example/authorize", "token": "https://a.example/token"}
    statement = a_statement(security=Security(oauth_uris=uris))

    issues = Validator(DEFINITIONS).validate(statement)
    (extension,) = statement["rest"][0]["security"]["extension"]
    assert [each for each in issues if each.severity == "error"] == []
    assert {each["url"]: each["valueUri"] for each in extension["extension"]} == uris
    assert a_statement()["rest"][0]["security"] == {"cors": False}


def test_what_is_not_served_is_not_claimed() -> None:
    patient = of_type(a_statement(interactions=Interactions(("vread",), ())), "Patient")

    assert [each["code"] for each in patient["interaction"]] == ["vread"]
    assert not patient["updateCreate"]
    assert patient.keys().isdisjoint(
        {
            "conditionalCreate",
            "conditionalRead",
            "conditionalUpdate",
            "conditionalDelete",
            "searchParam",
        }
    )


def test_special_parameters_are_claimed_where_they_are_served() -> None:
    location = of_type(a_statement(), "Location")

    special = {each["name"] for each in location["searchParam"] if each["type"] == "special"}
    assert special == {"_filter", "near", *PLACES}


def test_each_type_that_is_served_is_told() -> None:
    told = [each["type"] for each in a_statement()["rest"][0]["resource"]]

    assert told == sorted(DEFINITIONS.resource_types)
    assert len(told) == 146


def test_search_parameters_are_those_of_the_definitions() -> None:
    patient = of_type(a_statement(), "Patient")

    told = {each["name"]: each["type"] for each in patient["searchParam"]}
    assert told["birthdate"] == "date"
    assert told["_lastUpdated"] == "date"
    assert told == {each.code: each.type for each in served_parameters(DEFINITIONS, "Patient")}


def test_includes_are_told_in_both_directions() -> None:
    statement = a_statement(frozenset({"Patient", "Observation"}))

    assert "Observation:subject" in of_type(statement, "Observation")["searchInclude"]
    assert "Observation:subject" in of_type(statement, "Patient")["searchRevInclude"]
    assert "Observation:subject" not in of_type(statement, "Observation")["searchRevInclude"]
