"""What is told of each member: nothing by which what was left out could be known."""

from __future__ import annotations

import pytest

from fhir_server.federation.accounts import Account, outcome_of
from fhir_server.federation.health import History, Look, Occasion
from fhir_server.federation.members import Capabilities, Member
from fhir_server.federation.roster import Listed, roster_parameters

ACCOUNT = Account("a", milliseconds=7041, fetched=7042, emitted=7043)


@pytest.mark.parametrize(
    ("cleared", "told"), [(True, {"emitted"}), (False, {"emitted", "fetched", "elapsed"})]
)
def test_time_and_what_was_fetched_are_told_where_nothing_is_left_out(
    *, cleared: bool, told: set[str]
) -> None:
    text = str(outcome_of([ACCOUNT], cleared=cleared))
    values = {"elapsed": "7041", "fetched": "7042", "emitted": "7043"}
    assert {name for name, value in values.items() if value in text} == told


@pytest.mark.parametrize(("occasion", "is_told"), [("search", False), ("check", True)])
def test_the_time_of_a_check_is_told_and_that_of_a_search_is_not(
    *, occasion: Occasion, is_told: bool
) -> None:
    history = History([Look(1, occasion, "timeout", 7041)])
    listed = Listed(Member("a", "A", "https://a.example/fhir"), Capabilities({}), history)
    assert ("7041" in str(roster_parameters([listed]))) == is_told


@pytest.mark.parametrize("cleared", [True, False])
def test_as_of_when_it_is_known_whom_a_member_knows_is_told_to_everyone(*, cleared: bool) -> None:
    located = Account("a", persons_as_of=1_750_000_000_000_000)
    told = {"url": "personsAsOf", "valueInstant": "2025-06-15T15:06:40.000Z"}
    (listed,) = outcome_of([located], cleared=cleared)["extension"]
    assert told in listed["extension"]
    assert "personsAsOf" not in str(outcome_of([Account("a")], cleared=cleared))


@pytest.mark.parametrize(
    ("number", "told"), [(1, "At least 1 resource matches;"), (2, "At least 2 resources match;")]
)
def test_how_many_match_at_least_is_said_in_words(number: int, told: str) -> None:
    *_, issue = outcome_of([Account("a")], at_least=number)["issue"]
    assert issue["diagnostics"].startswith(told)
