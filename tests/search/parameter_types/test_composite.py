"""Composites that R4 does not have, and others may define."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from fhir_server.conformance import definitions
from fhir_server.conformance.definitions import SearchParameter
from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.fhir.fhirpath import Node
from fhir_server.search.matching import matches
from fhir_server.search.parameter_types import composite
from fhir_server.search.parameter_types.composite import Component
from fhir_server.search.parameter_types.criterion import Criterion, Surroundings
from fhir_server.search.parameter_types.entries import Entries
from fhir_server.search.record import NO_DATE, IndexRecord, Range

LONDON = ZoneInfo("Europe/London")
URL = "http://example.org/SearchParameter/"


def of_type(kind: str, *, targets: tuple[str, ...] = ()) -> SearchParameter:
    return SearchParameter(kind, kind, URL + kind, f"Basic.{kind}", targets)


def made_of(*kinds: str) -> tuple[SearchParameter, tuple[Component, ...]]:
    whole = SearchParameter(
        "whole", "composite", f"{URL}whole", "Basic",
        components=tuple(definitions.Component(URL + each, each) for each in kinds),
    )  # fmt: skip
    known = {each: of_type(each) for each in dict.fromkeys(kinds)}
    return whole, composite.components(whole, known)


def record_of(parts: Sequence[Component], *values: Node) -> IndexRecord:
    entries = Entries()
    index = composite.indexer("whole", parts, [""] * len(parts), LONDON, "")
    index([[each] for each in values], entries)
    ranges = tuple(Range(*each) for each in entries.ranges)
    return IndexRecord("ada", tuple(entries.terms), ranges, (), NO_DATE, (), ())


def asked(whole: SearchParameter, value: str) -> Criterion:
    return Criterion(whole, None, value, Surroundings(0, LONDON))


@pytest.mark.parametrize(
    "kinds",
    [
        ("string", "date"),
        ("date", "token"),
        ("number",),
        ("token", "date", "number"),
        ("token", "special"),
    ],
)
def test_parts_that_cannot_be_indexed_together_are_refused(kinds: tuple[str, ...]) -> None:
    whole, parts = made_of(*kinds)

    with pytest.raises(NotSupported, match="not indexed together"):
        composite.parse(asked(whole, "1$2"), parts)


def test_two_codes_without_system_before_a_third_leave_too_much_open() -> None:
    whole, parts = made_of("token", "token", "token")

    with pytest.raises(NotSupported, match="system and code"):
        composite.parse(asked(whole, "a$b$urn:c|c"), parts)


def test_a_part_that_is_malformed_is_refused() -> None:
    whole, parts = made_of("token", "number")

    with pytest.raises(BadRequest, match="a number like"):
        composite.parse(asked(whole, "a$b"), parts)


CODING = Node("Coding", {"system": "urn:s", "code": "a"})


@pytest.mark.parametrize(
    ("kinds", "values", "found_by", "not_found_by"),
    [
        (
            ("token", "number"),
            (CODING, Node("decimal", Decimal("1.5"))),
            ("a$1.5", "urn:s|a$gt1", "a$lt2"),
            ("b$1.5", "|a$1.5", "a$gt2"),
        ),
        (
            ("token", "uri"),
            (CODING, Node("uri", "urn:x")),
            ("a$urn:x", "urn:s|a$urn:x", "urn:s|$urn:x"),
            ("a$urn:y", "b$urn:x"),
        ),
        (
            ("reference", "date"),
            (Node("Reference", {"reference": "Patient/1"}), Node("date", "2020-01-01")),
            ("Patient/1$2020", "Patient/1$ge2020-01-01"),
            ("Patient/2$2020", "Patient/1$2021"),
        ),
        (
            ("token", "reference"),
            (CODING, Node("Reference", {"reference": "#inside"})),
            (),
            ("a$Patient/inside",),
        ),
        (
            ("token", "token", "quantity"),
            (CODING, CODING, Node("Quantity", {"value": 5, "code": "mg"})),
            ("a$a$5", "urn:s|a$a$5||mg", "a$urn:s|a$gt4"),
            ("a$b$5", "b$a$5", "a$a$6"),
        ),
        (
            ("string", "token"),
            (Node("string", "Some Text"), CODING),
            ("some$urn:s|a", "SOME TEXT$urn:s|a", "some$a"),
            ("text$urn:s|a", "some$urn:s|b"),
        ),
    ],
)  # fmt: skip
def test_parts_of_all_types_are_found_together(
    kinds: tuple[str, ...],
    values: tuple[Node, ...],
    found_by: tuple[str, ...],
    not_found_by: tuple[str, ...],
) -> None:
    whole, parts = made_of(*kinds)
    record = record_of(parts, *values)

    found = [
        value
        for value in (*found_by, *not_found_by)
        if matches(composite.parse(asked(whole, value), parts), record, updated=0)
    ]

    assert found == [*found_by]
