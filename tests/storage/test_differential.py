"""The comparison that `scripts/differential` makes: the same for the same seed, and loud about a difference."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from tests.storage import differential
from tests.storage.differential import KINDS, Chunk, Kind, chunks, main, problem_of

CHUNK = Chunk(0, "plans", 7, "sqlite")


async def holds_below_ten(_: str, written: int, asked: int) -> None:
    assert written < 10, asked


async def holds(_: str, written: int, asked: int) -> None:
    assert written + asked >= 0


def comparing(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    monkeypatch.setattr(differential, "KINDS", {"plans": kind})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cases", "0"], "a number from 1"),
        (["--cases", "2000", "--chunk", "2"], "from 0 to 1"),
        (["--chunk", "-1"], "from 0 to"),
        (["--backend", "paper"], "invalid choice"),
    ],
)
def test_what_would_compare_nothing_is_refused(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(arguments)

    assert refusal.value.code == 2
    assert says in capsys.readouterr().err


def test_a_difference_is_told_by_the_smallest_case(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = st.integers(0, 1_000)
    comparing(monkeypatch, Kind(numbers, numbers, holds_below_ten, 25))

    problem = problem_of(CHUNK)

    assert problem is not None
    assert "written=10" in problem
    assert "AssertionError" in problem


def test_where_all_answers_agree_there_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = st.integers(0, 1_000)
    comparing(monkeypatch, Kind(numbers, numbers, holds, 25))

    assert problem_of(CHUNK) is None


def test_the_chunks_of_a_seed_are_the_same_each_time_and_of_every_kind() -> None:
    one, again, other = (list(chunks(seed, 9_200, "sqlite")) for seed in (7, 7, 8))

    assert one == again
    assert {each.seed for each in one}.isdisjoint(each.seed for each in other)
    assert [each.kind for each in one] == [*KINDS, *KINDS]
    assert sum(each.cases for each in one) == 9_200
