"""Whom a member knows is told by its index: one in which somebody could be missed is none."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.federation.persons import GOOD_FOR, BadIndex, PersonIndex, index_in
from fhir_server.fhir.json import dump
from fhir_server.policy.person_marks import mark_of

KEY = b"k" * 32
NUMBERS = st.sets(st.from_regex(r"999[0-9]{7}", fullmatch=True), max_size=30)


def told(*parts: tuple[str, bytes]) -> bytes:
    given = [{"name": name, "valueBase64Binary": b64encode(each).decode()} for name, each in parts]
    return dump({"resourceType": "Parameters", "parameter": given})


def marks(*numbers: str) -> bytes:
    return b"".join(sorted(mark_of(KEY, each) for each in numbers))


TWO = marks("9990000018", "9990000026")
BAD: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"PK",
    "a list": b"[]",
    "an outcome": dump({"resourceType": "OperationOutcome"}),
    "cut in the middle": told(("key", KEY), ("marks", TWO))[:-40],
    "no key": told(("marks", TWO)),
    "no marks": told(("key", KEY)),
    "a short key": told(("key", KEY[:31]), ("marks", TWO)),
    "a long key": told(("key", KEY + b"k"), ("marks", TWO)),
    "two keys": told(("key", KEY), ("key", KEY), ("marks", TWO)),
    "marks twice": told(("key", KEY), ("marks", TWO), ("marks", b"")),
    "a mark that is cut": told(("key", KEY), ("marks", TWO[:-1])),
    "marks in another order": told(("key", KEY), ("marks", TWO[8:] + TWO[:8])),
    "a mark twice": told(("key", KEY), ("marks", TWO[:8] * 2)),
    "what is not base64": told(("key", KEY), ("marks", TWO)).replace(
        b'valueBase64Binary":"', b'valueBase64Binary":"!'
    ),
    "another value": b'{"parameter":[{"name":"key","valueString":"k"},{"name":"marks"}]}',
}


@pytest.mark.parametrize("name", BAD)
def test_what_somebody_could_be_missed_in_is_no_index(name: str) -> None:
    with pytest.raises(BadIndex):
        index_in(BAD[name], as_of=0)


@given(known=NUMBERS, asked=NUMBERS)
def test_an_index_holds_who_is_in_it_and_nobody_else(known: set[str], asked: set[str]) -> None:
    index = index_in(told(("key", KEY), ("marks", marks(*known))), as_of=0)
    assert index.count == len(known)
    assert {each for each in known | asked if index.holds(each)} == known


def test_an_index_is_gone_by_for_a_while() -> None:
    index = PersonIndex(1_000, KEY, b"")
    moments = (999, 1_000, 999 + GOOD_FOR, 1_000 + GOOD_FOR)
    assert [index.is_fresh(now=each) for each in moments] == [False, True, True, False]


def test_neither_the_key_nor_a_mark_is_told_by_its_name() -> None:
    assert KEY.decode() not in repr(PersonIndex(1_000, KEY, TWO))
