"""What was asked before is understood as it was then: only where that is what it means now as well."""

from __future__ import annotations

import pytest

from fhir_server.fhir.errors import BadRequest
from fhir_server.search.parsing import LONGEST_REMEMBERED, parse_query
from tests.search.support import BASE, DEFINITIONS, NOW

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "ap2020-01-01"),
        ("date", "2019-01-01,ap2020-01-01"),
        ("_lastUpdated", "ap2020-01-01T00:00:00Z"),
        ("patient.birthdate", "ap1980-01-01"),
        ("_filter", "date ap 2020-01-01"),
        ("combo-code-value-concept:missing", "true"),
    ],
)
def test_a_date_that_is_about_right_is_so_at_the_moment_alone(name: str, value: str) -> None:
    first, later, again = (
        parse_query("Observation", [(name, value)], DEFINITIONS, now=each)
        for each in (NOW, NOW + 400 * DAY, NOW)
    )

    assert first == again
    assert (first == later) == ("ap" not in value)


def test_other_search_parameters_make_another_search() -> None:
    pairs = [("status", "final")]
    withheld = DEFINITIONS.extended_by({}, {"Observation": {"mood": "not indexed yet"}})

    known = parse_query("Observation", pairs, DEFINITIONS, now=NOW)
    other = parse_query("Observation", pairs, withheld, now=NOW)

    assert known == other
    assert known is not other


def test_another_type_base_url_or_leniency_makes_another_search() -> None:
    absolute = [("subject", f"{BASE}/Patient/ada")]
    unknown = [("colour", "blue")]

    here = parse_query("Observation", absolute, DEFINITIONS, now=NOW, base_url=BASE)
    elsewhere = parse_query("Observation", absolute, DEFINITIONS, now=NOW, base_url="http://b/fhir")
    of_another_type = parse_query("Condition", absolute, DEFINITIONS, now=NOW, base_url=BASE)
    lenient = parse_query("Observation", unknown, DEFINITIONS, now=NOW, lenient=True)

    assert here.plan != elsewhere.plan
    assert here.plan != of_another_type.plan
    assert [name for name, _ in lenient.ignored] == ["colour"]
    for _ in range(2):
        with pytest.raises(BadRequest, match="no search parameter 'colour'"):
            parse_query("Observation", unknown, DEFINITIONS, now=NOW)


def test_what_is_asked_again_is_the_same_value_unless_it_is_long() -> None:
    short = [("code", "x" * 100)]
    long = [("code", ",".join(["x" * 100] * (LONGEST_REMEMBERED // 100)))]

    first, again = (parse_query("Observation", short, DEFINITIONS, now=NOW) for _ in range(2))
    one, another = (parse_query("Observation", long, DEFINITIONS, now=NOW) for _ in range(2))

    assert first is again
    assert one == another
    assert one is not another
