"""Scopes and times in words."""

from __future__ import annotations

import pytest

from fhir_server.web.authorization.wording import (
    Lifetimes,
    duration_in_words,
    purpose_in_words,
    scope_in_words,
    span_in_words,
)


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("openid", "Know that it is you who signed in"),
        ("offline_access", "Stay connected when you are not using it"),
        (
            "patient/Observation.rs",
            "See measurements and test results of the chosen patient",
        ),
        ("patient/Observation.read", "See measurements and test results of the chosen patient"),
        ("patient/Observation.r", "See measurements and test results of the chosen patient"),
        ("patient/Observation.s", "Search measurements and test results of the chosen patient"),
        ("patient/*.rs", "See all kinds of records of the chosen patient"),
        (
            "user/MedicationRequest.cruds",
            "See, add, change and delete prescriptions of every patient that you may see",
        ),
        (
            "patient/Flag.write",
            "Add, change and delete alerts and reasonable adjustments of the chosen patient",
        ),
        ("user/Practitioner.r", "See details of staff"),
        ("patient/VisionPrescription.c", "Add vision prescription records of the chosen patient"),
        # What this server gives no right for is not dressed up.
        (
            "patient/Observation.rs?category=laboratory",
            "patient/Observation.rs?category=laboratory",
        ),
        ("something/else", "something/else"),
    ],
)
def test_a_scope_says_what_an_app_will_be_able_to_do(scope: str, words: str) -> None:
    assert scope_in_words(scope) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (600, "10 minutes"),
        (5400, "90 minutes"),
        (3600, "1 hour"),
        (7_776_000, "90 days"),
    ],
)
def test_a_time_is_told_in_the_largest_unit_that_fits(seconds: int, words: str) -> None:
    assert span_in_words(seconds) == words


@pytest.mark.parametrize(
    ("scopes", "words"),
    [
        (("patient/*.rs",), "10 minutes"),
        (("patient/*.rs", "online_access"), "10 minutes at a time, renewed while you use it"),
        (
            ("offline_access", "online_access"),
            "10 minutes at a time, renewed without asking you; it ends when unused for 90 days",
        ),
    ],
)
def test_people_are_told_for_how_long(scopes: tuple[str, ...], words: str) -> None:
    assert duration_in_words(scopes, Lifetimes(600, 7_776_000)) == words


def test_a_purpose_that_is_seldom_stands_for_itself() -> None:
    assert purpose_in_words("TREAT") == "Direct care"
    assert purpose_in_words("FRAUD") == "FRAUD"
