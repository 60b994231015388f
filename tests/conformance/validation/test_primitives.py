"""The primitive types, each in an extension's value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.conformance.validation.primitives import LONGEST_STRING
from tests.conformance.validation.judging import an_extension, told, verdict

PLACE = "Patient.extension[0].value"

REFUSED: dict[str, list[Any]] = {
    "valueBase64Binary": ["", "a", "YQ", "YQ=", "YQ===", "Y!==", "é", "    "],
    "valueCanonical": ["", "http://a b", "http://a\n", " "],
    "valueCode": ["", " a", "a ", "a  b", "a\tb", "a\nb", "a\x00"],
    "valueDate": [
        *("", "20", "2020-13", "2020-00", "2020-1-1", "2020-01-00", "2020-01-32", "2020-04-31"),
        *("2021-02-29", "1900-02-29", "0000", "0000-01-01", "2020-01-01T00:00:00Z", "2020-01-01\n"),
        *("٢٠٢٠", "20200101", "2020-W01-1", "x2020"),
    ],
    "valueDateTime": [
        *("", "2020-01-01T10:00:00", "2020-01-01T10:00Z", "2020-01-01T24:00:00Z", "2020-01T10:00Z"),
        *("2020-02-30T10:00:00Z", "2020-01-01T10:00:61Z", "2020-01-01T10:00:00.Z"),
        *("2020-01-01T10:00:00+14:30", "2020-01-01T10:00:00+0100", "2020-01-01 10:00:00Z"),
    ],
    "valueDecimal": [Decimal("NaN"), Decimal("Infinity"), Decimal("1e401"), 10**500],
    "valueId": ["", "a_b", "a b", "ä", "a" * 65, "a\n"],
    "valueInstant": ["", "2020", "2020-01-01", "2020-01-01T10:00:00", "2020-02-30T10:00:00Z"],
    "valueInteger": [2**31, -(2**31) - 1, Decimal("1.0")],
    "valueMarkdown": ["", "\x0b", "\ud800"],
    "valueOid": ["", "1.2.3", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.02", "urn:oid:1.2."],
    "valuePositiveInt": [0, -1, 2**31],
    "valueString": ["", "\x00", "\x1f", "\ud800", "a" * (LONGEST_STRING + 1)],
    "valueTime": ["", "10:00", "24:00:00", "10:60:00", "10:00:00Z", "1:00:00", "10:00:00."],
    "valueUnsignedInt": [-1, 2**31],
    "valueUri": ["", "a b", "a\tb", "\x00", "\ud800"],
    "valueUrl": ["", "http://a b"],
    "valueUuid": [
        *("", "urn:uuid:1", "53fefa32-fcbb-4ff8-8a92-55ee120877b7"),
        "urn:uuid:53FEFA32-FCBB-4FF8-8A92-55EE120877B7",
    ],
}

MISTYPED: dict[str, list[Any]] = {
    "valueBase64Binary": [1, []],
    "valueBoolean": ["true", 1, 0, None, {}],
    "valueCode": [1, True, {}, None],
    "valueDate": [2020, True, {}, None],
    "valueDecimal": ["1.0", True, {}, None, 1.5],
    "valueId": [1, None],
    "valueInstant": [1, None],
    "valueInteger": ["1", True, {}, None],
    "valueString": [1, True, {}, None],
    "valueTime": [10, None],
    "valueUri": [1, True, {}, None],
}

ACCEPTED: dict[str, list[Any]] = {
    "valueBase64Binary": ["YQ==", "YWI=", "YWJj", "YWJj\nYWJj", " YQ== "],
    "valueBoolean": [True, False],
    "valueCanonical": ["http://example.org/x|1.0", "#local", "urn:oid:1.2.3|4.0"],
    "valueCode": ["a", "a b", "in-progress", "<=", "é", "http://x"],
    "valueDate": ["2020", "2020-02", "2020-02-29", "2000-02-29", "0001-01-01", "9999-12-31"],
    "valueDateTime": [
        *("2020", "2020-02", "2020-02-29", "2020-02-29T10:00:00Z", "2016-12-31T23:59:60Z"),
        *("2020-02-29T10:00:00.123456789+13:59", "2020-01-01T00:00:00-14:00"),
    ],
    "valueDecimal": [1, 0, Decimal("1.00"), Decimal("-1E+2"), Decimal("0.000000000000000001")],
    "valueId": ["a", "A-1.b", "a" * 64],
    "valueInstant": ["2020-02-29T10:00:00Z", "2020-02-29T10:00:00.1+01:00"],
    "valueInteger": [0, 2**31 - 1, -(2**31)],
    "valueMarkdown": ["# a\r\n\tb"],
    "valueOid": ["urn:oid:1.2.3", "urn:oid:2.16.840.1.113883.4.1", "urn:oid:1.0"],
    "valuePositiveInt": [1, 2**31 - 1],
    "valueString": ["a", " a ", "a\n\r\tb", "é 漢 👩‍⚕️", "a" * LONGEST_STRING],
    "valueTime": ["10:00:00", "23:59:60", "00:00:00.001"],
    "valueUnsignedInt": [0, 2**31 - 1],
    "valueUri": ["a", "http://example.org/ä?x=%20", "urn:x", "#a"],
    "valueUrl": ["http://example.org", "mailto:a@example.org"],
    "valueUuid": ["urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"],
}


def _cases(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}-{index}")
        for name, values in table.items()
        for index, value in enumerate(values)
    ]


@pytest.mark.parametrize(("name", "value"), _cases(REFUSED))
def test_a_value_outside_the_domain_of_its_type_is_refused(name: str, value: Any) -> None:
    assert verdict(an_extension(name, value)) == [f"value at {PLACE}"]


@pytest.mark.parametrize(("name", "value"), _cases(MISTYPED))
def test_a_value_of_another_json_type_is_refused(name: str, value: Any) -> None:
    assert verdict(an_extension(name, value)) == [f"structure at {PLACE}"]


@pytest.mark.parametrize(("name", "value"), _cases(ACCEPTED))
def test_a_value_of_the_domain_is_accepted(name: str, value: Any) -> None:
    assert verdict(an_extension(name, value)) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("valueDate", "2021-02-29", "'2021-02-29' is no date: 2021-02 has no day 29"),
        ("valueDate", "01/02/2021", "'01/02/2021' is no date: write YYYY, YYYY-MM or YYYY-MM-DD"),
        (
            "valueInteger",
            2**31,
            f"'{2**31}' is no integer: it lies outside {-(2**31)} to {2**31 - 1}",
        ),
        ("valueInteger", Decimal("1.0"), "'1.0' is no integer: write it without fraction"),
        ("valueString", "", "an empty string is no value: leave the element out"),
        ("valueString", 1, "a string is needed here, not a number"),
        ("valueBoolean", "true", "true or false is needed here, not a string"),
        ("valueDecimal", False, "a number is needed here, not true or false"),
        ("valueCode", {}, "a string is needed here, not an object"),
        ("valueCode", None, "a string is needed here, not null"),
    ],
)
def test_a_refusal_says_what_is_the_case_and_what_would_work(
    name: str, value: Any, message: str
) -> None:
    assert told(an_extension(name, value)) == message


def test_a_long_value_is_quoted_in_part() -> None:
    assert len(told(an_extension("valueId", "x" * 10_000))) < 150
