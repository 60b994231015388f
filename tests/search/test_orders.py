"""The order of results, rule by rule, against the oracle."""

from __future__ import annotations

import pytest

from fhir_server.search.expression import SortKey
from fhir_server.search.matching import Candidate, ordered
from fhir_server.search.ordering import NATURAL, PRIMARY, completed
from tests.search.orders import ORDERS, Ordered
from tests.search.support import UPDATED, query_of, record_of


@pytest.mark.parametrize(
    ("rule", "query"),
    [
        pytest.param(rule, query, id=f"{rule.says[:40]}: {query}")
        for rule in ORDERS
        for query in rule.queries
    ],
)
def test_resources_stand_in_the_order_that_the_specification_asks_for(
    rule: Ordered, query: str
) -> None:
    candidates = [
        Candidate(record_of(each), UPDATED, rid) for rid, each in enumerate(rule.resources)
    ]
    asked = query_of(rule.resources[0]["resourceType"], query)

    found = ordered(candidates, asked.plan)

    assert "".join(each.record.id for each in found) == rule.queries[query]


def test_a_key_that_comes_again_orders_nothing() -> None:
    first = SortKey("when", PRIMARY, descending=False)
    other = SortKey("issued", "date", descending=True)
    again = SortKey("when", PRIMARY, descending=True)

    assert completed((first, other, again, other)) == (first, other)
    assert completed((other, other)) == (other, *NATURAL)
