"""The order of results, rule by rule, against the oracle."""

from __future__ import annotations

from collections import defaultdict

import pytest

from fhir_server.fhir.errors import FhirError
from fhir_server.fhir.resource import Resource
from fhir_server.search.expression import SortKey
from fhir_server.search.matching import Candidate, ordered, sort_key
from fhir_server.search.ordering import NATURAL, PRIMARY, completed
from tests.demonstration.material import a_platform
from tests.search.orders import ORDERS, Ordered
from tests.search.support import DEFINITIONS, EXTRACTOR, UPDATED, query_of, record_of


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


def keys_of(resource_type: str) -> list[SortKey]:
    """Return each parameter of a type as a key of the order, where it can be one."""
    found: list[SortKey] = []
    for code in DEFINITIONS.search_parameters(resource_type):
        try:
            found += query_of(resource_type, f"_sort=-{code}").plan.sort
        except FhirError:
            continue
    return found


def test_what_is_extracted_for_an_order_alone_orders_as_the_whole_record_does() -> None:
    of_type: dict[str, list[Resource]] = defaultdict(list)
    for each in a_platform():
        of_type[each["resourceType"]].append(each)
    for resource_type, resources in of_type.items():
        for key in keys_of(resource_type):
            keys = completed((key,))
            narrow = EXTRACTOR.for_order(keys)
            for each in resources[::20]:
                whole, part = EXTRACTOR.extract(each), narrow.extract(each)
                assert [sort_key(part, one, updated=0) for one in keys] == [
                    sort_key(whole, one, updated=0) for one in keys
                ]
