"""How patients are written, and what is understood of what people type."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.conformance.definitions import definitions_in
from fhir_server.search.parsing import parse_query
from fhir_server.settings import definitions_folder
from fhir_server.web.authorization.choices import (
    NHS_NUMBER,
    Choice,
    criteria,
    encounter_choice,
    patient_choice,
)

DEFINITIONS = definitions_in(definitions_folder())


@pytest.mark.parametrize(
    ("more", "name", "details"),
    [
        ({}, "No name recorded", ""),
        ({"name": [{"text": "Ada"}]}, "Ada", ""),
        ({"name": [{"family": "Jones"}]}, "JONES", ""),
        ({"name": [{"given": ["Ada", "May"]}]}, "Ada May", ""),
        (
            {
                "name": [
                    {"use": "old", "family": "Smith"},
                    {"use": "official", "family": "Jones", "given": ["Ada"], "prefix": ["Dr"]},
                ]
            },
            "JONES, Ada (Dr)",
            "",
        ),
        ({"birthDate": "1980-02-01"}, "No name recorded", "born 01-Feb-1980"),
        ({"birthDate": "1980-02"}, "No name recorded", "born Feb-1980"),
        ({"birthDate": "1980"}, "No name recorded", "born 1980"),
        (
            {
                "identifier": [
                    {"system": "other", "value": "1"},
                    {"system": NHS_NUMBER},
                    {"system": NHS_NUMBER, "value": "9990000018"},
                ],
                "gender": "female",
            },
            "No name recorded",
            "NHS number 999 000 0018, female",
        ),
        ({"deceasedBoolean": True}, "No name recorded", "has died"),
        ({"deceasedBoolean": False}, "No name recorded", ""),
        ({"deceasedDateTime": "2020"}, "No name recorded", "has died"),
    ],
)
def test_a_patient_is_written_as_staff_know_it(
    more: dict[str, Any], name: str, details: str
) -> None:
    patient = {"resourceType": "Patient", "id": "p", **more}

    assert patient_choice(patient) == Choice("p", name, details)


@pytest.mark.parametrize(
    ("more", "name", "details"),
    [
        ({}, "Visit or stay", ""),
        ({"class": {"code": "AMB"}}, "Visit or stay", ""),
        ({"class": {"display": "ambulatory"}}, "ambulatory", ""),
        ({"type": [{"coding": [{"code": "1"}, {"display": "Check"}]}]}, "Check", ""),
        (
            {"type": [{"text": "Fall"}], "period": {"start": "2026-11-20T10:00:00Z"}},
            "Fall",
            "since 20-Nov-2026",
        ),
    ],
)
def test_an_encounter_is_told_by_its_kind_and_beginning(
    more: dict[str, Any], name: str, details: str
) -> None:
    assert encounter_choice({"id": "e", **more}) == Choice("e", name, details)


@pytest.mark.parametrize(
    ("sought", "pairs"),
    [
        ("", ()),
        ("  , ()", ()),
        ("Smith", (("name", "Smith"),)),
        ("SMITH, Ada (Ms)", (("name", "SMITH"), ("name", "Ada"), ("name", "Ms"))),
        ("O'Brien Anne-Marie", (("name", "O'Brien"), ("name", "Anne-Marie"))),
        ("999 000 0018", (("identifier", f"{NHS_NUMBER}|9990000018"),)),
        ("12345678901", (("name", "12345678901"),)),
        ("1/2/1980", (("birthdate", "1980-02-01"),)),
        ("1980-02-01", (("birthdate", "1980-02-01"),)),
        ("01-Feb-1980", (("birthdate", "1980-02-01"),)),
        ("1 february 1980", (("birthdate", "1980-02-01"),)),
        ("30/02/1980", (("name", "30/02/1980"),)),
        ("1 foo 1980", (("name", "1"), ("name", "foo"), ("name", "1980"))),
        ("a$b|c\\d", (("name", "a\\$b\\|c\\\\d"),)),
        ("Åsa", (("name", "Åsa"),)),
    ],
)
def test_what_people_type_is_understood(sought: str, pairs: tuple[tuple[str, str], ...]) -> None:
    assert criteria(sought) == pairs


@given(st.text())
def test_whatever_is_typed_is_a_search_that_is_served(sought: str) -> None:
    parse_query("Patient", criteria(sought), DEFINITIONS, now=0, base_url="http://x/fhir")
