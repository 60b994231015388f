"""What the specification says of search, rule by rule, against the oracle."""

from __future__ import annotations

from functools import partial

import pytest
from _pytest.mark import ParameterSet

from fhir_server.fhir.resource import Resource
from fhir_server.search.matching import matches
from fhir_server.search.parsing import parse_query
from fhir_server.search.words import has_words, texts_of
from tests.search.cases import Rule, codes, dates, displays, numbers, references, texts, words
from tests.search.support import BASE, DEFINITIONS, NOW, UPDATED, pairs_of, record_of

RULES = [
    rule
    for table in (dates, numbers, texts, codes, displays, references, words)
    for rule in table.RULES
]


def rows(rules: list[Rule]) -> list[ParameterSet]:
    found = [
        (rule, query, expected)
        for rule in rules
        for queries, expected in ((rule.found_by, True), (rule.not_found_by, False))
        for query in queries
    ]
    return [
        pytest.param(rule.resource, query, expected, id=f"{number} {rule.says[:40]}: {query[:60]}")
        for number, (rule, query, expected) in enumerate(found)
    ]


def test_the_table_is_as_large_as_it_claims() -> None:
    assert len(rows(RULES)) >= 400


@pytest.mark.parametrize(("resource", "query", "expected"), rows(RULES))
def test_a_resource_is_found_by_what_the_specification_says(
    resource: Resource, query: str, *, expected: bool
) -> None:
    asked = parse_query(
        resource["resourceType"], pairs_of(query), DEFINITIONS, now=NOW, base_url=BASE
    )

    says = partial(has_words, texts_of(resource))

    found = matches(asked.plan.predicate, record_of(resource), updated=UPDATED, says=says)

    assert found is expected
