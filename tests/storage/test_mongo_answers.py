"""What the store on MongoDB answers is what the oracle says: the suites of the others, on fewer examples."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.storage.mongo import joining
from tests.storage import (
    test_contained,
    test_denials,
    test_hierarchies,
    test_inside,
    test_joins,
    test_oracle,
    test_queries,
)
from tests.storage.conftest import START

TIMES = 20 if os.environ.get("FHIR_TEST_LONG") else 1


class Suite(NamedTuple):
    """What is written, what is asked of it, what compares the answers, and how often."""

    written: st.SearchStrategy[Any]
    asked: st.SearchStrategy[Any]
    compare: Callable[[str, Any, Any], Awaitable[None]]
    examples: int


async def shown(backend: str, script: Any, sight: Any) -> None:
    model = test_denials.Model()
    for op in script:
        model.take(op)
    answer = await test_denials.shown(backend, script, sight)
    assert answer == model.shown(sight)


def some(asked: st.SearchStrategy[list[Any]], number: int) -> st.SearchStrategy[list[Any]]:
    return asked.map(lambda each: each[:number])


scripts = st.lists(test_denials.operations, max_size=12)
moments = st.sampled_from((START, START + 10))
emergencies = st.sampled_from((frozenset[str](), frozenset({"ada"}), frozenset({"ada", "grace"})))
audience_sights = st.builds(
    lambda audience, at, emergency: test_denials.ALL.of_audience(
        audience, at=at, emergency=emergency
    ),
    test_denials.audiences,
    moments,
    emergencies,
)
asked_alone = st.tuples(test_hierarchies.plans, test_hierarchies.sights).map(lambda each: [each])
contained = st.lists(
    st.one_of(test_contained.patients(), test_contained.observations()), min_size=3, max_size=10
)
of_contained = st.tuples(test_contained.plans, test_contained.sights).map(lambda each: [each])

SUITES = {
    "plans": Suite(test_oracle.writes, some(test_oracle.asked, 8), test_oracle.compare, 12),
    "codes": Suite(
        test_oracle.writes_of_measurements,
        some(test_oracle.asked_of_codes, 6),
        test_oracle.compare,
        5,
    ),
    "contained by themselves": Suite(
        test_inside.worlds, some(test_inside.asked, 6), test_inside.compare, 6
    ),
    "joins": Suite(test_joins.worlds, some(test_joins.asked, 4), test_joins.compare, 6),
    "queries": Suite(test_queries.worlds, some(test_queries.cases, 8), test_queries.compare, 8),
    "hierarchies": Suite(
        st.lists(test_hierarchies.resources(), min_size=4, max_size=14),
        asked_alone,
        test_joins.compare,
        15,
    ),
    "contained": Suite(contained, of_contained, test_joins.compare, 15),
    "kept denials": Suite(scripts, audience_sights, test_denials.compare, 10),
    "denials": Suite(scripts, audience_sights, shown, 15),
}


def run(suite: Suite, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=[*HealthCheck])
    @given(suite.written, suite.asked)
    def compared(written: Any, asked: Any) -> None:
        async def compare() -> None:
            await suite.compare("mongo", written, asked)

        asyncio.run(compare())

    compared()


@pytest.mark.parametrize("name", SUITES)
def test_the_store_on_mongo_answers_as_the_oracle_does(name: str) -> None:
    run(SUITES[name], SUITES[name].examples * TIMES)


@pytest.mark.parametrize("name", ["joins", "contained"])
def test_joins_that_are_too_much_to_write_out_are_asked_one_by_one(name: str) -> None:
    with patch.object(joining, "WRITTEN_OUT", 0):
        run(SUITES[name], 4 * TIMES)
