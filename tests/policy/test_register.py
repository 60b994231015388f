"""Tests of the register of opt-outs as a file, and of who is asked for what purpose."""

from __future__ import annotations

import nhs_number as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.demonstration.identifiers import NHS_NUMBERS, nhs_number
from fhir_server.fhir.errors import Forbidden
from fhir_server.fhir.nhs_number import is_nhs_number
from fhir_server.policy.access import Access
from fhir_server.policy.disclosure import Disclosure
from fhir_server.policy.register import read_register
from fhir_server.policy.scopes import parse_scopes
from tests.policy.support import PURPOSES

ADA, GRACE = nhs_number(1), nhs_number(2)
DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ([ADA, "999000001"], 2),
        ([ADA, "", "9990000019"], 3),
        ([f"{ADA},{GRACE}", "a,b"], 2),
        (["9990000019"], 1),
        (["nhs number 1"], 1),
        ([ADA, "NHS number"], 2),
        (["\u0669" * 10], 1),
    ],
)
def test_a_line_without_a_number_is_refused_by_its_place(lines: list[str], number: int) -> None:
    with pytest.raises(ValueError, match=f"line {number} holds no NHS number"):
        read_register(lines)


def test_numbers_are_read_from_lines_and_first_columns() -> None:
    spaced = f"{ADA[:3]} {ADA[3:6]} {ADA[6:]}\n"

    assert read_register(["NHS number\n", spaced, "\n", f'"{GRACE}",x\n', f"{ADA}\n"]) == {
        ADA,
        GRACE,
    }


@given(st.from_regex(r"[467][0-9]{9}", fullmatch=True))
def test_a_number_is_what_the_check_digit_says(text: str) -> None:
    assert is_nhs_number(text) is oracle.is_valid(text)  # type: ignore[attr-defined]


@given(st.integers(0, NHS_NUMBERS - 1))
def test_each_test_number_is_one(number: int) -> None:
    assert is_nhs_number(nhs_number(number))


def access(purpose: str | None, scopes: str = "user/*.rs", patient: str | None = None) -> Access:
    return Access(
        "i", "s", parse_scopes(scopes), patient=patient, purpose=purpose, organisation="RXX"
    )


@pytest.mark.parametrize(
    "purpose", ["HMARKT", "COVAUTH", "ELIGVER", "HTEST", "treat", "NOSUCH", "TREAT HMARKT"]
)
def test_a_purpose_that_nobody_may_have_is_refused_and_not_repeated(purpose: str) -> None:
    with pytest.raises(Forbidden) as refused:
        Disclosure(PURPOSES, "TREAT").audience(access(purpose))

    assert purpose not in str(refused.value).replace("token's", "")


def test_a_token_without_a_purpose_is_refused_unless_there_is_one_by_default() -> None:
    with pytest.raises(Forbidden, match="names no purpose"):
        Disclosure(PURPOSES).audience(access(None))

    audience, rule = Disclosure(PURPOSES, "HRESCH").audience(access(None))

    assert (audience.purpose, rule.id) == ("HRESCH", "research")
    assert audience.actors == {"https://fhir.nhs.uk/Id/ods-organization-code|RXX"}


def test_a_patient_who_asks_for_the_own_record_needs_to_say_no_purpose() -> None:
    own, _ = Disclosure(PURPOSES).audience(access(None, "patient/*.rs", "ada"))

    assert own.purpose == "PATRQT"
    with pytest.raises(Forbidden):
        Disclosure(PURPOSES).audience(access(None, "patient/*.rs user/*.rs", "ada"))
    with pytest.raises(Forbidden):
        Disclosure(PURPOSES).audience(access(None, "patient/*.rs"))


@pytest.mark.parametrize("as_of", [None, -21 * DAY - 1])
def test_without_a_current_register_nothing_is_disclosed_where_it_applies(
    as_of: int | None,
) -> None:
    disclosure = Disclosure(PURPOSES)
    research, care = PURPOSES.rule("HRESCH"), PURPOSES.rule("TREAT")
    assert research is not None
    assert care is not None

    with pytest.raises(Forbidden, match="out of date"):
        disclosure.check_register(research, as_of, now=0)
    disclosure.check_register(care, as_of, now=0)
    disclosure.check_register(research, -21 * DAY, now=0)
