"""Every backend, opened empty for each test."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from fhir_server.policy.decision import Enforcement, Policy
from fhir_server.storage.contract import Store
from fhir_server.storage.mongo import opening
from fhir_server.storage.sqlite.store import open_store
from tests.policy.support import LABELS, PURPOSES
from tests.support import mongo
from tests.support.patience import PATIENCE

START = 1_750_000_000_000_000


def ticking() -> Callable[[], int]:
    """Return a clock that goes on by a millisecond at each look."""
    moments = itertools.count(START, 1_000)
    return lambda: next(moments)


NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ENFORCEMENT = Enforcement(
    Policy(PURPOSES, labels=LABELS),
    kinds=frozenset({"Condition", "Consent", "Location", "Observation", "Patient"}),
    personal=frozenset({"Condition", "Consent", "Observation", "Patient"}),
    number_system=NHS_NUMBER,
)


def open_sqlite(
    folder: Path, clock: Callable[[], int] | None = None
) -> AbstractAsyncContextManager[Store]:
    """Open the embedded store."""
    return open_store(folder / "store.db", clock=clock or ticking(), enforcement=ENFORCEMENT)


@asynccontextmanager
async def open_mongo(folder: Path, clock: Callable[[], int] | None = None) -> AsyncIterator[Store]:
    """Open the store on MongoDB, in a database of its own for each folder."""
    with mongo.database(folder) as url:
        async with opening.open_store(
            url, clock=clock or ticking(), enforcement=ENFORCEMENT, seconds=PATIENCE
        ) as store:
            yield store


@asynccontextmanager
async def open_single(folder: Path, clock: Callable[[], int] | None = None) -> AsyncIterator[Store]:
    """Open the store on a standalone MongoDB, which has no transactions."""
    with mongo.database(folder, mongo.standalone()) as url:
        async with opening.open_store(
            url, clock=clock or ticking(), enforcement=ENFORCEMENT, single_writes=True
        ) as store:
            yield store


BACKENDS = {"sqlite": open_sqlite, "mongo": open_mongo}

EVERY_WAY = {**BACKENDS, "mongo-single": open_single}
"""The backends, and the ways in which one of them is used besides."""


@pytest.fixture(scope="session", autouse=True)
def _mongo() -> Iterator[None]:
    """End the server that a test started."""
    yield
    mongo.end_shared()


@pytest.fixture(autouse=True)
def _drop_databases() -> Iterator[None]:
    """Drop what a test wrote."""
    yield
    mongo.drop_closed()


@pytest.fixture(params=EVERY_WAY)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Return an empty store of each backend in turn."""
    async with EVERY_WAY[request.param](tmp_path) as opened:
        yield opened


SLOW = (
    "asked by test_mongo_answers of fewer examples: the wire server takes 25 ms for each statement"
)
MANY = "so many take longer than a search may on the wire server; fewer are run"
NOT_ON_MONGO = {
    "test_every_page_of_every_search_is_the_oracles": SLOW,
    "test_a_code_and_a_value_are_found_as_one_as_they_are_apart": SLOW,
    "test_every_way_to_answer_a_join_finds_what_the_oracle_finds": SLOW,
    "test_a_store_finds_what_the_oracle_finds_whatever_is_asked": SLOW,
    "test_what_stands_in_a_hierarchy_is_what_the_oracle_finds": SLOW,
    "test_a_chain_into_a_contained_resource_is_answered_as_by_the_oracle": SLOW,
    "test_what_is_contained_is_found_as_by_the_oracle": SLOW,
    "test_denials_kept_up_to_date_are_those_worked_out_at_the_end": SLOW,
    "test_what_is_shown_is_what_the_decision_permits": SLOW,
    "test_each_query_of_the_table_finds_among_all_its_resources_what_the_oracle_finds": (
        "it takes three minutes on the wire server, and finds nothing that the table rule by rule does not"
    ),
    "test_what_lasts_is_on_one_page_once_whatever_is_written_meanwhile": (
        "its searches of all types take minutes on the wire server; test_mongo writes between the pages"
    ),
    "test_many_referrers_to_very_many_are_found[mongo-1500]": MANY,
    "test_few_and_many_joined_resources_give_the_same_answer[mongo-1000]": MANY,
    "test_few_and_many_joined_resources_give_the_same_answer[mongo-1001]": MANY,
    "test_all_of_a_long_hierarchy_is_found_page_by_page[mongo-90-2000]": MANY,
    "test_each_value_of_each_parameter_finds_what_the_oracle_finds": "minutes on the wire server",
    "test_each_parameter_finds_by_its_value_and_by_nothing_else": "minutes on the wire server",
}
"""What is not run on MongoDB, and why, by name or with parameters: all else that takes a backend is."""


WITHIN = "a standalone has no transactions: a write does not search in what it writes itself"
NOT_ON_A_STANDALONE = {
    "test_an_operation_sees_those_before_it_in_the_same_write": WITHIN,
    "test_a_precondition_sees_the_words_of_what_the_same_write_wrote": WITHIN,
}
SUITES_ON_A_STANDALONE = {"test_contract", "test_races", "test_single_writes"}
"""Those that are run there each time; the others alone with FHIR_TEST_LONG, as they read as on a replica set."""


def _is_left_out(item: pytest.Item) -> bool:
    name, _, parameters = item.name.partition("[")
    if "mongo" in parameters:
        same = item.name.replace("mongo-single", "mongo")
        if {name, item.name, same} & NOT_ON_MONGO.keys():
            return True
    if "mongo-single" not in parameters:
        return False
    is_asked = item.path.stem in SUITES_ON_A_STANDALONE or os.environ.get("FHIR_TEST_LONG")
    return name in NOT_ON_A_STANDALONE or not is_asked


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not run on MongoDB."""
    left = [each for each in items if _is_left_out(each)]
    gone = {*map(id, left)}
    items[:] = [each for each in items if id(each) not in gone]
    config.hook.pytest_deselected(items=left)
