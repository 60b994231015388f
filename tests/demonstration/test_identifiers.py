"""Identifiers are well formed and belong to nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nhs_number.constants import REGION_SYNTHETIC
from nhs_number.validate import is_valid

from fhir_server.demonstration.identifiers import (
    NHS_NUMBERS,
    gtin,
    nhs_number,
    site_code,
    trust_code,
)

NUMBERS = st.integers(0, NHS_NUMBERS - 1)


@pytest.mark.parametrize("n", [-1, NHS_NUMBERS])
def test_a_number_outside_the_test_range_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="test range"):
        nhs_number(n)


@given(NUMBERS)
def test_an_nhs_number_is_valid_and_never_issued(n: int) -> None:
    number = nhs_number(n)

    assert number.startswith("999")
    assert is_valid(number, for_region=REGION_SYNTHETIC)


@given(NUMBERS, NUMBERS)
def test_two_people_have_two_nhs_numbers(one: int, other: int) -> None:
    assert (nhs_number(one) == nhs_number(other)) is (one == other)


def test_the_first_nhs_numbers_are_those_of_the_documentation() -> None:
    assert [nhs_number(n) for n in range(3)] == ["9990000018", "9990000026", "9990000034"]


def test_a_gtin_ends_in_its_check_digit() -> None:
    """The first GTIN is worked out in GS1's own documentation."""
    assert gtin(13435) == "09506000134352"


def test_codes_of_trusts_and_sites_differ() -> None:
    codes = [trust_code(trust) for trust in range(1, 21)]
    sites = [site_code(trust, site) for trust in range(1, 21) for site in range(1, 100)]

    assert len(set(codes)) == 20
    assert len(set(sites)) == 20 * 99
