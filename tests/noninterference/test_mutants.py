"""Each condition on visibility is needed: without it somebody is answered otherwise."""

from __future__ import annotations

from pathlib import Path

from tests.noninterference.killing import EQUIVALENT, killing
from tests.noninterference.mutants import places

LISTED = Path(__file__).with_name("places.txt")


def test_each_place_where_a_condition_enters_is_on_the_list() -> None:
    """A new one is put there with `scripts/mutants --list`, once `scripts/mutants` kills it."""
    assert list(map(str, places())) == LISTED.read_text().splitlines()


def test_what_is_a_second_look_is_still_there() -> None:
    assert set(map(str, places())) >= EQUIVALENT.keys()


def test_no_condition_can_be_left_out_unnoticed() -> None:
    with killing() as asked:
        needed = [each for each in places() if str(each) not in EQUIVALENT]
        left = [str(each) for each in needed if not asked.notices(each)]

    assert left == []
