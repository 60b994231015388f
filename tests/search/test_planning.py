"""What leads a search, of what there is to choose from."""

from __future__ import annotations

import pytest

from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasTerm,
    HasTermBetween,
    IsPresent,
    Not,
    Predicate,
)
from fhir_server.search.planning import choose, leading_terms
from tests.search.support import query_of

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

    driver = choose(AllOf((either, PRESENT)), lambda _lead, _most: 0)

    assert driver.lead == HasAnyTerm(("code=a\x1f", "code=b\x1f"))
    assert driver.rest == (either, PRESENT)


def test_alternatives_without_terms_lead_nowhere() -> None:
    driver = choose(AnyOf((A, PRESENT)), lambda _lead, _most: 0)

    assert driver.lead is None


def test_places_are_led_by_their_cells() -> None:
    asked = query_of("Location", "near=54|-1.9|1,51|0|1").plan.predicate

    lead = choose(asked, lambda _lead, _most: 0).lead

    assert isinstance(lead, HasAnyTerm)
    assert len(lead.terms) > 2
    assert all(each.startswith("near/64.") for each in lead.terms)
