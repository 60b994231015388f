"""What the specification says of search, rule by rule, against the oracle."""

from __future__ import annotations

import pytest

from fhir_server.search.expression import Plan, Predicate
from tests.search.cases import Rule, a
from tests.search.support import is_found, query_of
from tests.search.truth import ROWS, RULES, Row, is_cited


def named(number: int, row: Row) -> str:
    return f"{number} {row.rule.says[:40]}: {row.query[:60]}"


def test_the_table_is_as_large_as_it_claims() -> None:
    assert len([row for row in ROWS if is_cited(row.rule)]) >= 400


def test_each_rule_says_where_its_sentence_stands() -> None:
    assert [each.says for each in RULES if not is_cited(each)] == []


@pytest.mark.parametrize("source", ["", "R4", "https://hl7.org/fhir/R5/search.html", "see #token"])
def test_a_rule_that_names_no_page_of_r4_is_not_cited(source: str) -> None:
    assert not is_cited(Rule("anything", a("Patient"), source=source))


@pytest.mark.parametrize("row", ROWS, ids=[named(*each) for each in enumerate(ROWS)])
def test_a_resource_is_found_by_what_the_specification_says(row: Row) -> None:
    resource = row.rule.resource
    there = (resource, *row.rule.beside)

    def resolve(kind: str, predicate: Predicate, /) -> bool:
        plan = Plan(frozenset({kind}), predicate)
        return any(is_found(plan, each, resolve=resolve) for each in there)

    asked = query_of(row.rule.kind, row.query)

    assert is_found(asked.plan, resource, resolve=resolve) is row.expected
