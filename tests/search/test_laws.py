"""What holds of search whatever the values: https://hl7.org/fhir/R4/search.html#prefix."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from fhir_server.fhir.resource import Resource
from fhir_server.search.matching import matches
from fhir_server.search.parameter_types.criterion import escape, split, unescape
from fhir_server.search.parsing import parse_query
from fhir_server.search.record import fold
from fhir_server.search.sortable import just_above, just_below, number_of, sortable
from tests.search.cases import a
from tests.search.support import DEFINITIONS, NOW, UPDATED, query_of, record_of

UCUM = "http://unitsofmeasure.org"
DAYS = st.dates(datetime(1900, 1, 1, tzinfo=UTC).date()).map(str)
PARTIAL = st.one_of(DAYS, DAYS.map(lambda day: day[:7]), DAYS.map(lambda day: day[:4]))
TIMES = st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - a bound
    lambda moment: moment.replace(tzinfo=None).isoformat() + "Z"
)
DATES = PARTIAL | TIMES
LETTERS = st.characters(categories=["L", "M", "N", "Pd", "Zs"])
PRINTABLE = st.characters(exclude_categories=["C"])
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=4)
DIGITS = DECIMALS.map(lambda number: format(number, "f"))


def finds(resource: Resource, query: str) -> bool:
    predicate = query_of(resource["resourceType"], query).plan.predicate
    return matches(predicate, record_of(resource), updated=UPDATED)


def has(resource: Resource, name: str, value: str) -> bool:
    query = parse_query(resource["resourceType"], [(name, value)], DEFINITIONS, now=NOW)
    return matches(query.plan.predicate, record_of(resource), updated=UPDATED)


def measured(value: str) -> Resource:
    return a("Observation", valueQuantity={"value": Decimal(value)})


@given(DATES, DATES)
def test_of_dates_eq_and_ne_are_opposites(stored: str, asked: str) -> None:
    resource = a("Observation", effectiveDateTime=stored)

    assert finds(resource, f"date=eq{asked}") != finds(resource, f"date=ne{asked}")


@given(DATES, DATES)
def test_of_dates_ge_is_gt_or_eq_and_le_is_lt_or_eq(stored: str, asked: str) -> None:
    resource = a("Observation", effectiveDateTime=stored)
    found = {
        each: finds(resource, f"date={each}{asked}") for each in ("eq", "gt", "lt", "ge", "le")
    }

    assert found["ge"] == (found["gt"] or found["eq"])
    assert found["le"] == (found["lt"] or found["eq"])


@given(DATES, DATES)
def test_of_dates_sa_eb_and_overlap_are_all_there_is(stored: str, asked: str) -> None:
    resource = a("Observation", effectiveDateTime=stored)
    after, before = finds(resource, f"date=sa{asked}"), finds(resource, f"date=eb{asked}")

    assert not (after and before)
    assert not after or finds(resource, f"date=gt{asked}")
    assert not before or finds(resource, f"date=lt{asked}")
    assert after or before or finds(resource, f"date=ap{asked}")


@given(DAYS, DAYS, DATES)
def test_a_period_is_within_what_both_its_ends_are_within(one: str, other: str, asked: str) -> None:
    start, end = sorted((one, other))
    period = a("Observation", effectivePeriod={"start": start, "end": end})
    ends = [a("Observation", effectiveDateTime=each) for each in (start, end)]

    both = all(finds(each, f"date={asked}") for each in ends)

    assert finds(period, f"date={asked}") == both


@given(DIGITS, DIGITS)
def test_of_numbers_eq_and_ne_are_opposites(stored: str, asked: str) -> None:
    resource = measured(stored)

    assert finds(resource, f"value-quantity={asked}") != finds(
        resource, f"value-quantity=ne{asked}"
    )


@given(DIGITS, DIGITS)
def test_comparisons_of_numbers_are_those_of_decimals(stored: str, asked: str) -> None:
    resource = measured(stored)
    value, wanted = Decimal(stored), Decimal(asked)

    found = {
        each: finds(resource, f"value-quantity={each}{asked}") for each in ("gt", "ge", "lt", "le")
    }

    assert found == {
        "gt": value > wanted,
        "ge": value >= wanted,
        "lt": value < wanted,
        "le": value <= wanted,
    }


@given(DIGITS)
def test_a_number_is_equal_to_itself_and_approximately_so(text: str) -> None:
    assert finds(measured(text), f"value-quantity={text}")
    assert finds(measured(text), f"value-quantity=ap{text}")


@given(DECIMALS, DECIMALS)
def test_sortable_text_sorts_as_numbers_do(one: Decimal, other: Decimal) -> None:
    assert (sortable(one) < sortable(other)) == (one < other)
    assert (sortable(one) == sortable(other)) == (one == other)


@given(DECIMALS, DECIMALS)
def test_just_below_and_just_above_are_next_to_a_number(one: Decimal, other: Decimal) -> None:
    assume(one < other)

    assert sortable(one) < just_above(sortable(one)) < just_below(sortable(other)) < sortable(other)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**90), max_value=10**90))
def test_a_number_comes_back_from_its_sortable_text(number: Decimal) -> None:
    assert number_of(sortable(number)) == number


UNITS = {
    "g": Fraction(1),
    "mg": Fraction(1, 1000),
    "[lb_av]": Fraction("453.59237"),
    "7.g": Fraction(7),
}


@given(
    st.decimals(-(10**9), 10**9, places=5),
    st.sampled_from(sorted(UNITS)),
    st.integers(-(10**9), 10**9),
    st.sampled_from(sorted(UNITS)),
)
def test_quantities_compare_by_what_they_amount_to(
    value: Decimal, unit: str, wanted: int, wanted_unit: str
) -> None:
    resource = a("Observation", valueQuantity={"value": value, "system": UCUM, "code": unit})
    stored, asked = Fraction(value) * UNITS[unit], wanted * UNITS[wanted_unit]

    found = {
        each: finds(resource, f"value-quantity={each}{wanted}|{UCUM}|{wanted_unit}")
        for each in ("gt", "ge", "lt", "le")
    }

    assert found == {
        "gt": stored > asked,
        "ge": stored >= asked,
        "lt": stored < asked,
        "le": stored <= asked,
    }


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_folding_disregards_case(text: str) -> None:
    assert fold(text.casefold()) == fold(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_text_folds_as_all_text_does(text: str) -> None:
    # Something that is not plain takes the other way through the function.
    assert fold(text + "\u00e9") == fold(text + "e")


@given(st.lists(st.text(st.sampled_from("ab,|$\\")), min_size=1), st.sampled_from(",|$"))
def test_what_is_escaped_comes_back(texts: list[str], separator: str) -> None:
    joined = separator.join(escape(each) for each in texts)

    assert [unescape(each) for each in split(joined, separator)] == texts


@given(st.text(PRINTABLE, min_size=1), st.text(PRINTABLE))
def test_a_code_is_found_by_system_and_code_whatever_they_are(code: str, system: str) -> None:
    resource = a("Observation", code={"coding": [{"system": system, "code": code}]})

    assert has(resource, "code", f"{escape(system)}|{escape(code)}")
    assert has(resource, "code", escape(code))


@given(st.text(LETTERS, min_size=1, max_size=60).filter(fold))
def test_a_name_is_found_by_its_beginnings_and_as_it_is(name: str) -> None:
    resource = a("Patient", name=[{"family": name}])
    folded = fold(name)

    assert all(
        has(resource, "family", folded[:length])
        for length in range(1, len(folded) + 1)
        if fold(folded[:length])
    )
    assert has(resource, "family:exact", escape(name))
