"""The JSON form: what is refused, what is kept, and that the fast reader is an exact one."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import BadSyntax
from fhir_server.fhir.json import (
    Limits,
    dump,
    dump_pretty,
    members,
    number,
    parse,
    parse_resource,
    refuse_depth,
)

PATIENT = b'{"resourceType":"Patient","name":[{"family":"Smith"}]}'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "line 1, column 2"),
        (b'{"a":\n tru}', "line 2, column 2"),
        (b'{"a":1,}', "malformed"),
        (b'{"a":1} x', "line 1, column 9"),
        (b"{'a':1}", "malformed"),
        (b'{"a":01}', "malformed"),
        (b'{"a":1.}', "malformed"),
        (b'{"a":+1}', "malformed"),
        (b'{"a":NaN}', "NaN is no JSON number"),
        (b'{"a":-Infinity}', "-Infinity is no JSON number"),
        (b'{"a":"\n"}', "malformed"),
        (b'{"a":"\\x"}', "malformed"),
        (b"/* why */ {}", "malformed"),
        (b'{"a":"\xff"}', "not UTF-8: byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a":"\xc0\x80"}', "not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_text_that_is_not_json_is_refused_with_the_reason(body: bytes, said: str) -> None:
    with pytest.raises(BadSyntax, match=said):
        parse(body)


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\udc00\\ud800", "\\ud800x"])
def test_half_a_surrogate_pair_is_refused(escape: str) -> None:
    with pytest.raises(BadSyntax, match="half a surrogate") as refusal:
        parse(f'{{"resourceType":"Patient","language":"{escape}"}}'.encode())

    assert refusal.value.expression == "Patient.language"


@pytest.mark.parametrize("escape", ["\\u0000", "\\u0001", "\\u001F", "\\u000b", "\\b", "\\f"])
def test_a_control_character_is_refused_with_its_place(escape: str) -> None:
    with pytest.raises(BadSyntax, match="control character") as refusal:
        parse(f'{{"resourceType":"Patient","name":[{{"family":"a{escape}"}}]}}'.encode())

    assert refusal.value.expression == "Patient.name[0].family"


def test_a_control_character_in_a_key_is_refused() -> None:
    with pytest.raises(BadSyntax, match=r"U\+0000"):
        parse(b'{"a\\u0000":1}')


@pytest.mark.parametrize(
    ("body", "key", "place"),
    [
        (b'{"a":1,"a":2}', "a", "$this"),
        (b'{"a":1,"a":1}', "a", "$this"),
        (b'{"a":1, "\\u0061" :1}', "a", "$this"),
        (b'{"resourceType":"Patient","id":"1","id":"2"}', "id", "Patient"),
        (b'{"resourceType":"Patient","name":[{},{"use":"x","use":"y"}]}', "use", "Patient.name[1]"),
        # The count of quotes with a colon is made up for by a string that looks like a member.
        (b'{"a":1,"a":"\\":"}', "a", "$this"),
        (b'{"a":":","b":{"c":1,"c":1}}', "c", "$this.b"),
        (b'{"a":{"b":1,"b":1},"a":2}', "a", "$this"),
    ],
)
def test_a_key_that_appears_twice_is_refused_with_its_place(
    body: bytes, key: str, place: str
) -> None:
    with pytest.raises(BadSyntax, match=f'"{key}" appears twice') as refusal:
        parse(body)

    assert refusal.value.expression == place


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' + b"[" * 950 + b"]" * 950 + b',"a":1}',
        b'["\\ud800",' + b"[" * 100_000,
    ],
)
def test_a_body_that_nests_too_deep_is_refused(body: bytes) -> None:
    with pytest.raises(BadSyntax, match=r"nests deeper|appears twice"):
        parse(body)


def test_the_deepest_that_is_allowed_is_read() -> None:
    body = b"[" * 64 + b"]" * 64

    assert dump(parse(body)) == body


def test_a_value_from_elsewhere_is_held_to_the_same_depth() -> None:
    refuse_depth([[]], Limits(depth=2))

    with pytest.raises(BadSyntax, match="deeper than 2"):
        refuse_depth([[[]]], Limits(depth=2))


@pytest.mark.parametrize(
    "text",
    [
        "1" * 101,
        "-" + "1" * 101,
        "1" * 5000,
        "0." + "1" * 100,
        "1e401",
        "1E+401",
        "1e-401",
        "1e999999999",
        "1e99999999999999999999999999",
        "1." + "0" * 100_000,
    ],
)
def test_a_number_beyond_all_measure_is_refused(text: str) -> None:
    with pytest.raises(BadSyntax, match=r"more than 100 digits|out of range"):
        parse(f'{{"value":{text}}}'.encode())


def test_the_limits_are_arguments() -> None:
    strict = Limits(depth=1, digits=3, exponent=2)

    assert parse(b"[123,1e2]", limits=strict) == [123, Decimal("1e2")]
    for body in (b"[1234]", b"[1.234]", b"[1e3]", b"[[]]"):
        with pytest.raises(BadSyntax):
            parse(body, limits=strict)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "this body is an array"),
        (b'"Patient"', "this body is a string"),
        (b"1", "this body is a number"),
        (b"true", "this body is a boolean"),
        (b"null", "this body is null"),
        (b"{}", "this object has none"),
        (b'{"resourceType":{}}', "gives an object"),
    ],
)
def test_what_is_no_resource_is_refused_with_what_it_is(body: bytes, said: str) -> None:
    with pytest.raises(BadSyntax, match=said):
        parse_resource(body)


def test_a_resource_is_read() -> None:
    assert parse_resource(PATIENT) == {"resourceType": "Patient", "name": [{"family": "Smith"}]}


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_resource(b"\xef\xbb\xbf" + PATIENT) == parse_resource(PATIENT)


def test_a_bytearray_is_read_as_bytes_are() -> None:
    assert parse(bytearray(PATIENT)) == parse(PATIENT)


@pytest.mark.parametrize(
    "text",
    [
        "1.00",
        "0.0",
        "-0.0",
        "-0",
        "-0.10",
        "1",
        "100",
        "1.0E+2",
        "1" * 100,
        "-" + "9" * 40,
        "0.000001",
    ],
)
def test_a_number_keeps_its_digits(text: str) -> None:
    body = f'{{"value":[{text}],"longitude":-0.12}}'.encode()

    assert dump(parse(body)) == body


@pytest.mark.parametrize(
    ("text", "written"),
    [("1e2", "1E+2"), ("0.0000001", "1E-7"), ("1e" + "0" * 100 + "1", "1E+1")],
)
def test_an_exponent_is_written_the_one_way_with_the_same_value_and_precision(
    text: str, written: str
) -> None:
    value = parse(f"[{text}]".encode())

    assert dump(value) == f"[{written}]".encode()
    assert value[0].as_tuple() == Decimal(text).as_tuple()


def test_integers_stay_integers_and_all_other_numbers_are_decimals() -> None:
    value = parse(b"[1,1.0,1e0,18446744073709551616]")

    assert [type(each) for each in value] == [int, Decimal, Decimal, int]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\\":\\"","b":": ","c":"\\\\"}',
        b'{"a":"x\\\\u0000","b":"\\\\b"}',
        b'{"a" : "\\u00e9\\/" , "b"\n:\t[ ]}',
        '{"a":"😀 é","b":"\\ud83d\\ude00"}'.encode(),
        b'{"a":"%s"}' % (b"1" * 200),
        b'{"a":"\\t\\r\\n"}',
    ],
)
def test_an_unusual_but_sound_text_is_read(body: bytes) -> None:
    assert parse(body) == json.loads(body)


def test_the_order_of_members_is_kept_and_no_blank_is_written() -> None:
    assert dump(parse(b'{ "b" : [1, 2] ,\n "a" : {"d": null, "c": "\xc3\xa9"} }')) == (
        b'{"b":[1,2],"a":{"d":null,"c":"\xc3\xa9"}}'
    )


def test_the_pretty_form_has_two_blanks_a_level_and_the_same_digits() -> None:
    assert dump_pretty({"a": {"b": [Decimal("1.00")]}}).decode() == (
        '{\n  "a": {\n    "b": [\n      1.00\n    ]\n  }\n}'
    )


def test_members_are_an_object_without_its_braces() -> None:
    assert members({"a": 1, "b": {}}) == b'"a":1,"b":{}'
    assert members({}) == b""


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_a_decimal_is_read_with_its_digits(value: Decimal) -> None:
    assert number(str(value)).as_tuple() == value.as_tuple()


# A text is drawn in pieces, so that blanks, escapes and keys that appear twice are all in it.
BLANKS = st.sampled_from(["", "", " ", "\n ", "\t"])
STRINGS = st.text(st.sampled_from('ab:," \\{}[]é\t😀'), max_size=4).flatmap(
    lambda text: st.sampled_from([json.dumps(text), json.dumps(text, ensure_ascii=False)])
)
SCALARS = st.one_of(
    STRINGS,
    st.sampled_from(
        ["null", "true", "0", "-1", "-0", "1.50", "-0.0", "1e2", "12345678901234567890"]
    ),
)


@st.composite
def texts(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """Draw an object or an array in JSON."""
    parts = draw(st.lists(st.tuples(STRINGS, BLANKS, inner, BLANKS), max_size=3))
    if draw(st.booleans()):
        return "[" + ",".join(f"{a}{value}{b}" for _, a, value, b in parts) + "]"
    return "{" + ",".join(f"{b}{key}{a}:{b}{value}{a}" for key, a, value, b in parts) + "}"


@given(st.recursive(SCALARS, texts, max_leaves=12))
def test_the_fast_reader_agrees_with_an_exact_one(text: str) -> None:
    twice = False

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        twice = twice or any(count > 1 for count in Counter(key for key, _ in pairs).values())
        return dict(pairs)

    expected = json.loads(f"[{text}]", object_pairs_hook=collect, parse_float=Decimal)

    if twice:
        with pytest.raises(BadSyntax, match="appears twice"):
            parse(f"[{text}]".encode())
    else:
        value = parse(f"[{text}]".encode())
        assert value == expected
        assert parse(dump(value)) == value
        assert parse(dump_pretty(value)) == value


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    try:
        value = parse(body)
    except BadSyntax:
        return

    assert value == json.loads(body.removeprefix(b"\xef\xbb\xbf"), parse_float=Decimal)
