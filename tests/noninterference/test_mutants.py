"""Each condition on visibility is needed: without it somebody is answered otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.noninterference.keeping_on_mongo import KEEPING
from tests.noninterference.killing import EQUIVALENT, killing
from tests.noninterference.mutants import places

SHARES = {"sqlite": 4, "mongo": 4}
LISTED = Path(__file__).with_name("places.txt")
TRIED = {"sqlite": 4, "mongo": 4 if os.environ.get("FHIR_TEST_LONG") else 1}
"""Of these shares; on MongoDB `scripts/mutants` tries the others."""

CASES = [(store, share) for store, shares in TRIED.items() for share in range(shares)]


def test_each_place_where_a_condition_enters_is_on_the_list() -> None:
    """A new one is put there with `scripts/mutants --list`, once `scripts/mutants` kills it."""
    there = [str(each) for store in KEEPING for each in places(store)]

    assert there == LISTED.read_text().splitlines()


def test_what_is_a_second_look_is_still_there() -> None:
    there = {str(each) for store in KEEPING for each in places(store)}

    assert there >= EQUIVALENT.keys()


@pytest.mark.parametrize(("store", "share"), CASES)
def test_no_condition_can_be_left_out_unnoticed(store: str, share: int) -> None:
    needed = [each for each in places(store) if str(each) not in EQUIVALENT]
    with killing(store) as asked:
        left = [str(each) for each in needed[share :: SHARES[store]] if not asked.notices(each)]

    assert left == []
