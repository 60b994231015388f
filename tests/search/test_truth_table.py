"""What the specification says of search, rule by rule, against the oracle."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from fhir_server.search.matching import matches
from fhir_server.search.parsing import parse_query
from tests.search.cases import (
    Rule,
    codes,
    contained,
    dates,
    hierarchies,
    listed,
    numbers,
    references,
    texts,
)
from tests.search.support import (
    BASE,
    DEFINITIONS,
    NOW,
    UPDATED,
    pairs_of,
    record_of,
    resolver,
)

TABLES = (dates, numbers, texts, codes, references, listed, hierarchies, contained)
RULES = [rule for table in TABLES for rule in table.RULES]


def rows(rules: list[Rule]) -> list[ParameterSet]:
    found = [
        (rule, query, expected)
        for rule in rules
        for queries, expected in ((rule.found_by, True), (rule.not_found_by, False))
        for query in queries
    ]
    return [
        pytest.param(rule, query, expected, id=f"{number} {rule.says[:40]}: {query[:60]}")
        for number, (rule, query, expected) in enumerate(found)
    ]


def test_the_table_is_as_large_as_it_claims() -> None:
    assert len(rows(RULES)) >= 400


@pytest.mark.parametrize(("rule", "query", "expected"), rows(RULES))
def test_a_resource_is_found_by_what_the_specification_says(
    rule: Rule, query: str, *, expected: bool
) -> None:
    resource, resolve = rule.resource, resolver((rule.resource, *rule.beside))
    asked = parse_query(
        resource["resourceType"], pairs_of(query), DEFINITIONS, now=NOW, base_url=BASE
    )

    predicate = asked.plan.predicate
    found = matches(predicate, record_of(resource), updated=UPDATED, resolve=resolve)

    assert found is expected
