"""Marks in order: as one sort gives them, and in no sort that others would wait for."""

from __future__ import annotations

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.storage.marks import in_order, runs


@given(st.lists(st.binary(min_size=1, max_size=3)))
def test_marks_are_each_there_once_and_in_the_order_of_their_bytes(marks: list[bytes]) -> None:
    assert in_order(marks) == sorted(set(marks))


def test_no_sort_has_more_than_a_hundredth_of_a_register() -> None:
    marks = [blake2b(str(each).encode(), digest_size=16).digest() for each in range(100_000)]
    assert max(map(len, runs(marks))) < len(marks) / 100
