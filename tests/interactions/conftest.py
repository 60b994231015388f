"""A call on a real store of each backend in turn: what each interaction is given."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from fhir_server.conformance.definitions import Definitions, definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.interactions.call import Call
from fhir_server.policy.visibility import Visibility
from fhir_server.search.indexing import Extractor
from fhir_server.storage.contract import Store
from fhir_server.storage.mongo import opening
from fhir_server.storage.sqlite.store import open_store
from tests.interactions.builders import BASE_URL
from tests.storage.conftest import _drop_databases, _mongo
from tests.support import mongo
from tests.support.data import ROOT

__all__ = ["_drop_databases", "_mongo"]

Clock = Callable[[], int]


@pytest.fixture(scope="session")
def definitions() -> Definitions:
    """Read the definitions of R4 as they are asked for."""
    return definitions_in(ROOT / "profiles" / "r4")


@pytest.fixture(scope="session")
def validator(definitions: Definitions) -> Validator:
    """Compile each type once for all tests."""
    return Validator(definitions)


@pytest.fixture(scope="session")
def extractor(definitions: Definitions) -> Extractor:
    """Compile each type once for all tests."""
    return Extractor(definitions, base_url=BASE_URL)


@asynccontextmanager
async def _on_sqlite(folder: Path, clock: Clock) -> AsyncIterator[Store]:
    async with open_store(folder / "store.db", clock=clock) as store:
        yield store


@asynccontextmanager
async def _on_mongo(folder: Path, clock: Clock) -> AsyncIterator[Store]:
    with mongo.database(folder) as url:
        async with opening.open_store(url, clock=clock) as store:
            yield store


BACKENDS = {"sqlite": _on_sqlite, "mongo": _on_mongo}

BEFORE = "it is refused before a store is asked"
MANY = "so many take minutes on the wire server; fewer are included beside it"
NOT_ON_MONGO = {
    "test_whether_there_is_anything_makes_no_difference_to_a_refusal": BEFORE,
    "test_an_interaction_is_open_with_the_rights_that_it_needs_and_not_without": BEFORE,
    "test_rights_on_other_types_are_no_rights": BEFORE,
    "test_an_entry_that_cannot_be_done_is_refused_with_its_place": BEFORE,
    "test_a_bundle_of_another_shape_is_refused": BEFORE,
    "test_an_id_that_no_resource_may_have_is_refused": BEFORE,
    "test_a_parameter_that_makes_no_sense_is_refused": BEFORE,
    "test_a_query_that_cannot_be_read_is_refused": BEFORE,
    "test_criteria_that_cannot_be_searched_are_refused": BEFORE,
    "test_includes_beyond_one_batch_are_complete": MANY,
    "test_all_that_refer_to_one_match_are_included": MANY,
}
"""What is not run on MongoDB, and why: all else that takes a call is."""

SUITES_ON_MONGO = {
    "test_create",
    "test_delete",
    "test_history",
    "test_opt_outs",
    "test_person_index",
    "test_races",
    "test_transaction",
    "test_update",
}
"""Those that are run there each time. The others ask what `tests/storage` asks of both each time: they are run there
with FHIR_TEST_LONG alone, as all of them take a minute on the wire server."""


def _is_left_out(item: pytest.Item) -> bool:
    name, _, parameters = item.name.partition("[")
    if not item.path.is_relative_to(Path(__file__).parent) or not parameters.startswith("mongo"):
        return False
    is_asked = item.path.stem in SUITES_ON_MONGO or os.environ.get("FHIR_TEST_LONG")
    return name in NOT_ON_MONGO or not is_asked


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not run on MongoDB."""
    left = {each for each in items if _is_left_out(each)}
    items[:] = [each for each in items if each not in left]
    config.hook.pytest_deselected(items=list(left))


@pytest.fixture(params=BACKENDS)
async def call(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    definitions: Definitions,
    validator: Validator,
    extractor: Extractor,
) -> AsyncIterator[Call]:
    """Give a caller who sees everything an empty store; new ids are new-1, new-2 and so on."""
    moments, ids = count(1_800_000_000_000_000, 1_000_000), count(1)
    async with BACKENDS[request.param](tmp_path, lambda: next(moments)) as store:
        yield Call(
            store=store,
            definitions=definitions,
            validator=validator,
            extractor=extractor,
            sight=Visibility.everything("test"),
            new_id=lambda: f"new-{next(ids)}",
            base_url=BASE_URL,
        )
