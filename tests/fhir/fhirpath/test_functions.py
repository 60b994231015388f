"""Functions and operators, where the official cases say nothing."""

from __future__ import annotations

import pytest

from fhir_server.fhir.fhirpath import FhirPathError
from tests.fhir.fhirpath.conftest import Evaluator


@pytest.mark.parametrize(
    "expression",
    [
        "'a' * 2",
        "'a' / 2",
        "'a' div 2",
        "@2020 * 2",
        "@2020 + 1",
        "@T10:00 + 1 month",
        "@2020-01-01 + 1 'a'",
        "@2020-01-01.precision('x')",
        "true.precision()",
        "true.lowBoundary()",
        "1.comparable(2)",
        "'a'.decode('rot13')",
        "'a'.escape('xml')",
        "'a'.unescape('xml')",
        "'a'.take(1.5)",
        "(1 | 2).toInteger()",
        "true > false",
        "@2020 > @T10",
        "'a'" + ".replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')" * 6,
    ],
)
def test_what_has_no_meaning_is_refused(expression: str, evaluate: Evaluator) -> None:
    with pytest.raises(FhirPathError):
        evaluate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "1 + {}",
        "1 'g' + 1 's'",
        "1 'g' / 0 'g'",
        "1 * {}",
        "@9999-12-31 + 1 day",
        "@0001-01-01 - 1 month",
        "@2020-01-01 + 9999999999999999 days",
        "0.ln()",
        "(-1).ln()",
        "2.log(1)",
        "1.0.toInteger()",
        "'2020-02-30'.toDate()",
        "'25:00'.toTime()",
        "'1 wk'.toQuantity()",
        "1.toQuantity('g')",
        "'abc'.substring(3)",
        "'zz'.decode('hex')",
        "'a'.decode('base64')",
        "{}.join(',')",
        "{}.split(',')",
        "1 'g' < 1 's'",
        "1000000 * 1000000",
        "10.0.power(30).truncate()",
        "@2014.lowBoundary(17)",
        "-({})",
        "1 div {}",
        "{}.lowBoundary()",
        "{}.precision()",
        "{}.comparable(1 'g')",
        "{}.round()",
        "{} * 1",
        "10.0.power(30) div 1",
        "10.0.power(40).round(20)",
        "@T10.toBoolean()",
        "@T10.toDate()",
        "2020.toDate()",
    ],
)
def test_what_has_no_result_is_empty(expression: str, evaluate: Evaluator) -> None:
    assert evaluate(expression) == []


@pytest.mark.parametrize(
    "expression",
    [
        "1 'g' + 1 'kg' = 1.001 'kg'",
        "2 'm' + 2 'm' = 4 'm'",
        "1 day + 1 'h' = 25 'h'",
        "3 * 2 'm' = 6 'm'",
        "6 'm' / 2 's' = 3 'm/s'",
        "6 'm' / 2 = 3 'm'",
        "1 / 2 's' = 0.5 '/s'",
        "6 'mg' / 2 'mg/dL' = 3 'dL'",
        "-(2 'g') < 1 'g'",
        "(-5).abs() + 5.5.abs() = 10.5",
        "7 mod -2 = 1",
        "-7 div 2 = -3",
        "7.5 div 2 = 3",
        "@2020-01-31 + 1 month = @2020-02-29",
        "@2020-02-29 + 1 year = @2021-02-28",
        "@2020-02-29 - 4 years = @2016-02-29",
        "@2020 + 24 months = @2022",
        "@2020 + 800 days = @2022",
        "@2020-01 + 65 days = @2020-03",
        "@2020-01-01 + 36 hours = @2020-01-02",
        "@2020-01-01T23:30 + 90 minutes = @2020-01-02T01:00",
        "@2020-01-01T10:00:00.5Z + 500 milliseconds = @2020-01-01T10:00:01Z",
        "@T23:30 + 1 hour = @T00:30",
        "@T00:30 - 1 hour = @T23:30",
        "@T10:00:00.250 + 750 milliseconds = @T10:00:01",
        "@2020-01-01T10:00:00+01:00.toString() = '2020-01-01T10:00:00+01:00'",
        "'10:30'.toTime() = @T10:30",
        "'2020-01-01'.toDateTime() = @2020-01-01T",
        "@2020-01-01T10:00.toDate() = @2020-01-01",
        "@2020.toDateTime() is DateTime",
        "@T10.toTime() = @T10",
        "'yes'.toBoolean() and 'N'.toBoolean().not()",
        "1.50.toString() = '1.50'",
        "true.toString() + 'x' = 'truex'",
        "'3.5 \\'mg\\''.toQuantity() = 3.5 'mg'",
        "1 'g'.toQuantity('g') = 1 'g'",
        "'a,b'.split(',').last() = 'b'",
        "'ab'.split('').count() = 2",
        "'a' | 'b' ~ ('b' | 'a')",
        "'A  b' ~ 'a b'",
        "1 'g' ~ 1.0 'g'",
        "(1 'g' ~ 1 's').not()",
        "(1 'g' ~ 'x').not()",
        "(1 = 'a').not()",
        "1 = 1 '1'",
        "@2020-01-01T10:00:00Z ~ @2020-01-01T11:00:00+01:00",
        "'abcabc'.lastIndexOf('b') = 4",
        "'ab'.replaceMatches('(?P<x>a)(b)', '$2${x}') = 'ba'",
        "(3 | 1 | 2).sort(-$this).first() = 3",
        "(1 | 1.0).sort().count() = 1 and (2 | 1).sort(1).first() = 2",
        "1 year = 1 year and 12 months != 1 'a' or true",
        "(true | false).anyTrue() and (true | false).anyFalse() and (false).allFalse()",
        "(1 | 2 | 3).where($index > 0).count() = 2",
        "(1 | 2).combine(2).distinct().count() = 2",
        "(1 | 2).aggregate($this + $total, 0) = 3",
        "(true xor false) and (false implies {}) and ({} or true)",
        "@T10:30.precision() = 4 and @2014-01-05T10:30:00.000.precision() = 17",
        "@2020-02.highBoundary(8) = @2020-02-29",
        "1 day = 24 hours",
        "1 year != 365 days or true",
        "'a' in ('a' | 'b') and ('a' | 'b') contains 'b'",
        "2.power(-1) = 0.5 and 2.power(10) = 1024",
        "100.log(10) = 2 and 2.25.sqrt() = 1.5",
    ],
)
def test_it_is_true(expression: str, evaluate: Evaluator) -> None:
    assert [each.value for each in evaluate(expression)] == [True]
