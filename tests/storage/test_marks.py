"""Marks in order: as one sort gives them, and in no sort that others would wait for."""

from __future__ import annotations

import gc
from hashlib import blake2b
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.policy.register import read_register
from fhir_server.storage import marks as module
from fhir_server.storage.marks import GIVES_WAY_FOR, WORKS_FOR, giving_way, in_order, runs


@given(st.lists(st.binary(min_size=1, max_size=3)))
def test_marks_are_each_there_once_and_in_the_order_of_their_bytes(marks: list[bytes]) -> None:
    assert in_order(marks) == sorted(set(marks))


def test_no_sort_has_more_than_a_hundredth_of_a_register() -> None:
    marks = [blake2b(str(each).encode(), digest_size=16).digest() for each in range(100_000)]
    assert max(map(len, runs(marks))) < len(marks) / 100


def test_a_thread_that_computes_gives_way_each_time_that_it_worked_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each item takes half of what it may work for."""
    now, slept = [0.0], list[float]()
    clock = SimpleNamespace(perf_counter=lambda: now[0], sleep=slept.append)
    monkeypatch.setattr(module, "time", clock)
    taken = []

    for each in giving_way(range(9)):
        taken.append(each)
        now[0] += WORKS_FOR / 2

    assert taken == list(range(9))
    assert slept == [GIVES_WAY_FOR] * 3


def test_the_garbage_collector_looks_at_no_number_of_a_register() -> None:
    """It takes a tenth of a second for a million of them, wherever it begins."""
    numbers = read_register(f"{nhs_number(each)}\n" for each in range(1_000))

    (held,) = (each for each in gc.get_referents(numbers) if len(each) == len(numbers))
    assert not gc.is_tracked(held)
