"""The truth table of search on each store: rule by rule, and over all its resources at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fhir_server.fhir.json import members
from fhir_server.fhir.resource import Key, Resource
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import Plan
from fhir_server.storage.contract import Delete, Draft, Put, Store, WriteOp
from tests.search.support import UPDATED, is_found, query_of, record_of
from tests.search.truth import RULES, Row, rows_of
from tests.storage.conftest import BACKENDS

EVERYTHING = Visibility.everything("test")
PAGE = 7


def stepping() -> Callable[[], int]:
    """Return a clock whose moments are all within the second of the table's current versions."""
    return lambda: UPDATED


@pytest.fixture(params=BACKENDS)
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with BACKENDS[request.param](tmp_path, stepping()) as store:
        yield store


def put(resource: Resource) -> Put:
    key = Key(resource["resourceType"], resource["id"])
    rest = {name: each for name, each in resource.items() if name not in {"resourceType", "id"}}
    return Put(Draft(key, b"", members(rest), record_of(resource)))


async def ids(store: Store, plan: Plan) -> list[str]:
    """Return what a search finds, from all its pages, and check the count against it."""
    found: list[str] = []
    after = None
    while True:
        page = await store.search(EVERYTHING, plan, after, PAGE)
        found += [row.stored.key.id for row in page.rows]
        after = page.next
        if after is None:
            break
    assert (await store.count(EVERYTHING, plan)).number == len(found)
    return found


def plan_of(row: Row) -> Plan:
    return query_of(row.rule.kind, row.query).plan


async def test_a_store_finds_what_the_specification_says(opened: Store) -> None:
    wrong: list[tuple[str, str]] = []
    for rule in RULES:
        puts = [put(each) for each in (rule.resource, *rule.beside)]
        await opened.write(puts, atomic=True)
        for row in rows_of(rule):
            found = rule.resource["id"] in await ids(opened, plan_of(row))
            if found is not row.expected:
                wrong.append((rule.says, row.query))
        await opened.write([Delete(each.draft.key) for each in puts], atomic=True)

    assert wrong == []


async def test_each_query_of_the_table_finds_among_all_its_resources_what_the_oracle_finds(
    opened: Store,
) -> None:
    rules = [each for each in RULES if not each.beside]
    resources = [{**each.resource, "id": f"r{number}"} for number, each in enumerate(rules)]
    puts: list[WriteOp] = [put(each) for each in resources]
    await opened.write(puts, atomic=True)
    for row in (row for rule in rules for row in rows_of(rule)):
        plan = plan_of(row)
        expected = [each["id"] for each in resources if is_found(plan, each)]
        found = await ids(opened, plan)
        assert (row.query, sorted({*found})) == (row.query, sorted(expected))
