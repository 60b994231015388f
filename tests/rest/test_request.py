"""Requests as values: queries, ids, criteria."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.resource import Key
from fhir_server.rest.content import Given
from fhir_server.rest.request import MOST_PAIRS, Request, parse_pairs, query_text


def a_request(path: str = "Patient", query: str = "", **headers: str) -> Request:
    encoded = {name.encode(): value.encode() for name, value in headers.items()}
    return Request("GET", tuple(path.split("/")), query, encoded, "http://here/fhir", Given(None))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("name=%", "begins no escape"),
        ("name=%4", "begins no escape"),
        ("name=%zz", "begins no escape"),
        ("name=%C3%28", "not UTF-8"),
        ("name=%ff", "not UTF-8"),
        ("na%00me=a", "NUL"),
        ("name=a%00", "NUL"),
        ("&".join(["a=1"] * (MOST_PAIRS + 1)), "more than"),
    ],
    ids=range(8),
)
def test_a_query_that_cannot_be_read_is_refused(query: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        parse_pairs(query)


@pytest.mark.parametrize("query", [b"name=\xff", b"a" * 20_000])
def test_raw_bytes_that_are_no_query_are_refused(query: bytes) -> None:
    with pytest.raises(BadRequest):
        query_text(query)


@given(st.text(max_size=60))
def test_no_text_makes_a_query_fail_otherwise(text: str) -> None:
    try:
        pairs = parse_pairs(text)
    except BadRequest:
        return
    assert all(len(pair) == 2 for pair in pairs)


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("a=1&b=2&a=3", (("a", "1"), ("b", "2"), ("a", "3"))),
        ("a=", (("a", ""),)),
        ("a", (("a", ""),)),
        ("a=x+y%2Bz", (("a", "x y+z"),)),
        ("n%C3%A4me=%E2%82%AC", (("näme", "€"),)),
        ("a=b=c", (("a", "b=c"),)),
        ("&&a=1&", (("a", "1"),)),
    ],
)
def test_a_query_is_read_in_order(query: str, pairs: tuple[tuple[str, str], ...]) -> None:
    assert parse_pairs(query) == pairs


@pytest.mark.parametrize("logical_id", ["", "a b", "a_b", "é", "x" * 65, "a\n", "%41"])
def test_an_id_that_no_resource_can_have_is_refused(logical_id: str) -> None:
    with pytest.raises(BadRequest, match="is no logical id"):
        _ = a_request(f"Patient/{logical_id}").key


def test_the_key_is_what_the_path_says() -> None:
    assert a_request("Patient/ada.1-B").key == Key("Patient", "ada.1-B")


def test_how_to_answer_is_no_part_of_what_is_asked() -> None:
    request = a_request(query="name=a%2Cb&_format=xml&_pretty=true&x=1")

    assert request.asked == (("name", "a,b"), ("x", "1"))
    assert request.form == (("_format", "xml"), ("_pretty", "true"))
    assert request.criteria == "name=a%2Cb&x=1"


def test_a_parameter_and_a_header_that_are_not_there_are_empty() -> None:
    request = a_request()

    assert request.parameter("_format") == ""
    assert request.header(b"accept") == ""
