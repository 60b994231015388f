"""Quantities and their units."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.fhirpath.quantity import Quantity, in_common_unit, measure


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("cm", "s"),
        ("[nope]", "cm"),
        ("mo", "d.m"),
        ("mg/dL", "mmol/L"),
        ("nope1", "nope2"),
    ],
)
def test_what_has_no_unit_in_common_is_not_compared(left: str, right: str) -> None:
    assert in_common_unit(Quantity(Decimal(1), left), Quantity(Decimal(1), right)) is None


def test_a_calendar_month_has_no_definite_length() -> None:
    month = Quantity(Decimal(1), "month", calendar=True)

    assert in_common_unit(month, Quantity(Decimal(1), "mo")) is None
    assert in_common_unit(month, Quantity(Decimal(1), "months", calendar=True)) is not None


def test_a_number_that_is_too_long_to_write_out_is_not_compared() -> None:
    huge = Quantity(Decimal("1e999999"), "g")

    assert in_common_unit(huge, Quantity(Decimal(1), "kg")) is None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((1, "kg"), (1000, "g")),
        ((1, "[in_i]"), ("2.54", "cm")),
        ((1, "[lb_av]"), ("453.59237", "g")),
        ((1, "mg/dL"), ("0.01", "g/L")),
        ((1, "mmol/L"), (1, "mol/m3")),
        ((120, "mm[Hg]"), ("15.99864", "kPa")),
        ((7, "d"), (1, "wk")),
        ((1, "10*3/uL"), (1, "10*9/L")),
        ((50, "%"), ("0.5", "1")),
        ((1, "{score}"), (1, "1")),
        ((1, "m/s2"), (100, "cm.s-2")),
        ((1, "[nope]"), (1, "[nope]")),
        ((60, "/min"), (1, "Hz")),
    ],
)
def test_units_of_one_dimension_are_converted(
    left: tuple[int, str], right: tuple[int | str, str]
) -> None:
    numbers = in_common_unit(
        Quantity(Decimal(left[0]), left[1]), Quantity(Decimal(right[0]), right[1])
    )

    assert numbers is not None
    assert numbers[0] == numbers[1]


@given(st.text(alphabet="mgsLkd.[]/1023-+*^{}%", max_size=12))
def test_any_text_has_a_measure(code: str) -> None:
    size, dimension = measure(code)

    assert size > 0
    assert all(power for _, power in dimension)
