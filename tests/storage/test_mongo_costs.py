"""What a request asks of MongoDB where a large register is in force: so many commands, however much is denied."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from pymongo import MongoClient

from fhir_server.fhir.resource import Key
from fhir_server.search.expression import HasTerm, Plan
from fhir_server.search.record import reference_term
from fhir_server.storage.contract import Store
from fhir_server.storage.mongo.opening import open_store
from fhir_server.storage.pages import HistoryScope
from tests.noninterference.tracing import Trace, traced
from tests.storage.conftest import ENFORCEMENT, ticking
from tests.storage.test_denials import RESEARCH, an_observation, sees, write
from tests.support import mongo

PEOPLE = 100
DENIED = [f"p{number}" for number in range(0, PEOPLE, 20)]
"""Five percent."""

REGISTER = 1_100
"""Denied owner classes of which these searches find nothing."""

LARGEST = 10_000
"""Bytes of a command that names what one page shows."""

SIGHT = sees(RESEARCH)
OBSERVATIONS = Plan(frozenset({"Observation"}))
OF_ONE = Plan(frozenset({"Observation"}), HasTerm(reference_term("patient", "Patient/p1")))


class Node(NamedTuple):
    """A store, and what it has asked of its server."""

    store: Store
    trace: Trace


class Cost(NamedTuple):
    """What is asked, and the commands that it takes: within a transaction, and its commit."""

    ask: Callable[[Store], Awaitable[object]]
    commands: dict[str, int]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    with mongo.database(tmp_path) as url, traced() as trace:
        async with open_store(url, clock=ticking(), enforcement=ENFORCEMENT) as store:
            puts = [an_observation(f"o{n}", f"p{n}") for n in range(PEOPLE)]
            await write(store, *puts)
            await store.search(SIGHT, OBSERVATIONS, None, 1)
            deny(url)
            yield Node(store, trace)


def deny(url: str) -> None:
    """Write what a register of so many would, and what it says of five percent of those here."""
    key, rows = RESEARCH.key, [["*", -(2**62), 2**62]]
    with MongoClient[dict[str, object]](url) as client:
        there = client.get_default_database()
        denied = there["owner"].find({"mentions": {"$in": DENIED}}, {"n": 1})
        owners = [each["n"] for each in denied] + [*range(10**6, 10**6 + REGISTER)]
        there["denial"].insert_many(
            [{"_id": f"{key}.{owner}", "a": key, "o": owner, "rows": rows} for owner in owners]
        )


COSTS = {
    "read": Cost(
        lambda store: store.read(SIGHT, Key("Observation", "o1")),
        {"find": 2, "commitTransaction": 1},
    ),
    "past version": Cost(
        lambda store: store.read(SIGHT, Key("Observation", "o1"), 7),
        {"find": 3, "commitTransaction": 1},
    ),
    "many": Cost(
        lambda store: store.read_many(SIGHT, [Key("Observation", f"o{n}") for n in range(50)]),
        {"find": 2, "commitTransaction": 1},
    ),
    "page": Cost(
        lambda store: store.search(SIGHT, OBSERVATIONS, None, 20),
        {"find": 2, "commitTransaction": 1},
    ),
    "page of a term": Cost(
        lambda store: store.search(SIGHT, OF_ONE, None, 20),
        {"find": 2, "commitTransaction": 1},
    ),
    "total": Cost(
        lambda store: store.count(SIGHT, OBSERVATIONS),
        {"aggregate": 1, "find": 2, "commitTransaction": 1},
    ),
    "history": Cost(
        lambda store: store.history(SIGHT, HistoryScope("Observation"), None, 20),
        {"find": 3, "commitTransaction": 1},
    ),
}


async def test_under_a_large_register_a_request_takes_few_commands_and_small_ones(
    node: Node,
) -> None:
    asked: dict[str, Counter[str]] = {}
    for name, cost in COSTS.items():
        before = len(node.trace.commands)
        await cost.ask(node.store)
        own = node.trace.commands[before:]
        asked[name] = Counter(command for command, _ in own)
        assert max(size for _, size in own) < LARGEST

    assert asked == {name: cost.commands for name, cost in COSTS.items()}


async def test_a_page_reads_few_more_rows_than_it_shows(node: Node) -> None:
    before = node.trace.rows

    page = await node.store.search(SIGHT, OBSERVATIONS, None, 20)

    assert len(page.rows) == 20
    assert node.trace.rows - before <= 21 + 21 // 8 + 4


async def test_where_nearly_all_is_denied_the_page_is_that_of_what_is_left(node: Node) -> None:
    await write(node.store, *(an_observation(f"d{n}", DENIED[0]) for n in range(150)))

    page = await node.store.search(SIGHT, OBSERVATIONS, None, 20)
    total = await node.store.count(SIGHT, OBSERVATIONS)

    assert len(page.rows) == 20
    assert not {row.record.mentions[0] for row in page.rows} & set(DENIED)
    assert total.number == PEOPLE - len(DENIED)
