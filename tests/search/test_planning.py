"""What leads a search, of what there is to choose from and by what is counted: a code and a value above all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import pytest

from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    HasWords,
    IsPresent,
    Limit,
    Not,
    Predicate,
    Updated,
)
from fhir_server.search.phrases import Phrase
from fhir_server.search.planning import BROAD, GATHER, MOST_CODES, choose, leading_terms
from fhir_server.search.primary import has_one_value
from fhir_server.search.record import CODED, CODED_TYPE, SEPARATOR, coded_axis, pair_term
from fhir_server.search.sortable import sortable
from tests.search.cases import a
from tests.search.support import DEFINITIONS, query_of, record_of

A, B, C = HasTerm("code=a\x1f"), HasTerm("code=b\x1f"), HasTerm("status=c\x1f")
PRESENT = IsPresent("code")
IN_RECORD = HasTerm("family!Smith")


@pytest.mark.parametrize(
    ("predicate", "terms"),
    [
        (A, ("code=a\x1f",)),
        (HasAnyTerm(("x=1", "x=2")), ("x=1", "x=2")),
        (AllOf((PRESENT, A, B)), ("code=a\x1f",)),
        (AnyOf((A, AllOf((B, PRESENT)), A)), ("code=a\x1f", "code=b\x1f")),
        (AnyOf((A, PRESENT)), ()),
        (AnyOf(()), ()),
        (AllOf(()), ()),
        (Not(A), ()),
        (IN_RECORD, ()),
        (HasTermBetween("code=a", "code=b"), ()),
        (HasId(("1",)), ()),
    ],
)
def test_terms_lead_where_no_match_is_without_them(
    predicate: Predicate, terms: tuple[str, ...]
) -> None:
    assert leading_terms(predicate) == terms


def test_alternatives_are_led_by_their_terms_and_still_checked() -> None:
    either = AnyOf((AllOf((A, PRESENT)), B))

    driver = choose("Observation", AllOf((either, PRESENT)), lambda _lead, _most: 0)

    assert driver.lead == HasAnyTerm(("code=a\x1f", "code=b\x1f"))
    assert driver.rest == (either, PRESENT)


def test_alternatives_without_terms_lead_nowhere() -> None:
    driver = choose("Observation", AnyOf((A, PRESENT)), lambda _lead, _most: 0)

    assert driver.lead is None


def test_places_are_led_by_their_cells() -> None:
    asked = query_of("Location", "near=54|-1.9|1,51|0|1").plan.predicate

    lead = choose("Location", asked, lambda _lead, _most: 0).lead

    assert isinstance(lead, HasAnyTerm)
    assert len(lead.terms) > 2
    assert all(each.startswith("near/64.") for each in lead.terms)


HBA1C = HasTerm("code=4548-4\x1fsystem")
WEIGHT = HasTerm("code=29463-7\x1fsystem")
ABOVE = HasRange("value-quantity\x1f", (Limit("high", ">", sortable(Decimal(58))),))
BELOW = HasRange("value-quantity\x1f", (Limit("low", "<", sortable(Decimal(80))),))
IN_MG = HasRange("value-quantity\x1f", ABOVE.limits, ("|mg",))
HIGH = HasRange("code-value-quantity:$4548-4\x1fsystem\x1f", ABOVE.limits)
FINAL = HasTerm("status=final\x1f")


def counting(numbers: Mapping[Predicate, int]) -> Callable[[Predicate, int], int]:
    """Return a count that knows these, and takes all others for endless."""
    return lambda lead, most: min(numbers.get(lead, 10**9), most)


def test_where_many_have_the_code_and_the_value_the_list_of_the_code_is_read() -> None:
    driver = choose("Observation", AllOf((HBA1C, ABOVE)), counting({HBA1C: BROAD, HIGH: 15_000}))

    assert driver.lead == HBA1C
    assert driver.rest == (ABOVE,)


def test_where_few_do_they_are_gathered_and_nothing_is_checked() -> None:
    driver = choose("Observation", AllOf((HBA1C, ABOVE)), counting({HBA1C: BROAD, HIGH: 2_000}))

    assert driver.lead == HIGH
    assert driver.rest == ()


def test_for_a_total_they_are_gathered_however_many() -> None:
    asked = AllOf((HBA1C, ABOVE))

    assert choose("Observation", asked, counting({}), of_all=True).lead == HIGH


def test_a_short_list_of_the_code_is_read_in_any_case() -> None:
    asked = AllOf((HBA1C, ABOVE))

    assert choose("Observation", asked, counting({HBA1C: 300, HIGH: 10}), of_all=True).lead == HBA1C


def test_the_more_each_candidate_costs_the_fewer_are_gathered() -> None:
    numbers = counting({HBA1C: BROAD, HIGH: 5_000})

    assert choose("Observation", AllOf((HBA1C, ABOVE)), numbers).lead == HIGH
    assert choose("Observation", AllOf((HBA1C, ABOVE, FINAL)), numbers).lead == HBA1C


def test_two_limits_on_the_one_value_are_one_range() -> None:
    driver = choose("Observation", AllOf((ABOVE, HBA1C, BELOW)), counting({}), of_all=True)

    assert driver.lead == HasRange(HIGH.axis, (*ABOVE.limits, *BELOW.limits))
    assert driver.rest == ()


def test_what_an_axis_does_not_tell_is_still_checked() -> None:
    driver = choose("Observation", AllOf((HBA1C, IN_MG)), counting({}), of_all=True)

    assert driver.lead == HIGH
    assert driver.rest == (IN_MG,)


def test_each_of_several_codes_has_its_axis() -> None:
    codes = HasAnyTerm((HBA1C.term, WEIGHT.term))

    driver = choose("Observation", AllOf((codes, ABOVE)), counting({}), of_all=True)

    weight = HasRange("code-value-quantity:$29463-7\x1fsystem\x1f", ABOVE.limits)
    assert driver.lead == AnyOf((HIGH, weight))


def test_many_codes_are_checked_instead() -> None:
    codes = HasAnyTerm(tuple(f"code={n}\x1f" for n in range(MOST_CODES + 1)))

    driver = choose("Observation", AllOf((codes, ABOVE)), counting({}), of_all=True)

    assert driver.lead == codes


IN_MAY = HasRange("date", (Limit("low", ">=", 100), Limit("high", "<", 200)), primary=True)
UNTIL_MAY = HasRange("date", (Limit("low", "<", 200), Limit("high", ">=", 100)), primary=True)


@pytest.mark.parametrize(("dates", "lead"), [(IN_MAY, FINAL), (UNTIL_MAY, UNTIL_MAY)])
def test_dates_are_read_from_a_list_that_is_in_their_order_where_both_ends_bound_it(
    dates: HasRange, lead: Predicate
) -> None:
    few = counting({dates: 500})

    assert choose("Observation", AllOf((FINAL, dates)), few).lead == lead
    assert choose("Observation", AllOf((FINAL, dates)), few, of_all=True).lead == dates


@pytest.mark.parametrize(("matches", "expected"), [(GATHER - 1, True), (GATHER, False)])
def test_alternatives_of_ranges_lead_where_nothing_else_does(
    matches: int, *, expected: bool
) -> None:
    either = AnyOf((HIGH, HasRange("dose", BELOW.limits)))

    driver = choose("Observation", either, counting({either: matches}))

    assert (driver.lead == either) is expected


def test_in_other_types_parameters_of_these_names_are_asked_apart() -> None:
    """Anybody may define a `value-quantity` of conditions: there is no composite of it."""
    positive = HasTerm("value-concept=260373001\x1fsystem")

    driver = choose("Condition", AllOf((HBA1C, ABOVE, positive)), counting({}), of_all=True)

    assert driver.lead == HBA1C
    assert driver.rest == (ABOVE, positive)


@pytest.mark.parametrize("name", [*(axis.rstrip(SEPARATOR) for axis in CODED), "value-concept"])
def test_where_code_and_value_have_an_axis_together_a_resource_has_one_of_each(name: str) -> None:
    """What makes the two, asked apart, the same as the composite: it is over the resource, and neither repeats."""
    known = DEFINITIONS.search_parameters(CODED_TYPE)
    whole = known[f"code-{name}"]
    code, value = whole.components

    assert whole.expression == CODED_TYPE
    assert known["code"].expression == f"{CODED_TYPE}.{code.expression}"
    assert (known["code"].url, known[name].url) == (code.definition, value.definition)
    assert value.expression.startswith("value.as(")
    assert has_one_value(known["code"], DEFINITIONS)
    elements = DEFINITIONS.type(CODED_TYPE).elements[CODED_TYPE]
    assert [each.repeats for each in elements if each.name == "value[x]"] == [False]


@pytest.mark.parametrize(
    ("value", "query"),
    [
        ({"valueQuantity": {"value": 60, "code": "g", "system": "http://unitsofmeasure.org"}},
         "value-quantity=gt58"),
        ({"valueQuantity": {"value": 60, "unit": "mg"}}, "value-quantity=gt58||mg"),
        ({"valueDateTime": "2026-01-01T10:00:00Z"}, "value-date=ge2026"),
        ({"valuePeriod": {"start": "2026-01-01"}}, "value-date=ge2026"),
    ],
)  # fmt: skip
def test_the_axis_of_both_is_the_one_that_is_indexed(value: dict[str, object], query: str) -> None:
    coding = {"system": "http://loinc.org", "code": "4548-4"}
    record = record_of(a("Observation", code={"coding": [coding]}, **value))
    code = query_of("Observation", "code=http://loinc.org|4548-4").plan.predicate
    asked = query_of("Observation", query).plan.predicate
    ranges = asked.predicates if isinstance(asked, AnyOf) else (asked,)
    assert isinstance(code, HasTerm)

    axes = {
        coded_axis("Observation", code.term, each.axis)
        for each in ranges
        if isinstance(each, HasRange)
    }

    assert len(axes) == 1
    (axis,) = axes
    assert axis is not None
    assert any(each.axis.startswith(axis) for each in record.ranges)


def test_the_term_of_code_and_concept_is_the_one_that_is_indexed() -> None:
    code = {"coding": [{"system": "http://loinc.org", "code": "94500-6"}]}
    positive = {"coding": [{"system": "http://snomed.info/sct", "code": "260373001"}]}
    record = record_of(a("Observation", code=code, valueCodeableConcept=positive))
    code_term, concept_term = (
        next(each for each in record.terms if each.startswith(start))
        for start in ("code=", "value-concept=")
    )

    assert pair_term("Observation", code_term, concept_term) in record.terms


def test_all_that_was_compared_is_told() -> None:
    driver = choose("Observation", AllOf((FINAL, HBA1C, ABOVE)), counting({}))

    assert driver.considered == (FINAL, HBA1C, ABOVE, HIGH)


@pytest.mark.parametrize("other", [Updated(BELOW.limits), HasWords("content", Phrase(("lung",)))])
def test_alternatives_of_what_is_gathered_are_gathered_together(other: Predicate) -> None:
    either = AnyOf((HIGH, other))

    driver = choose("Observation", either, counting({either: 10}))

    assert driver.lead == either
    assert driver.rest == ()
