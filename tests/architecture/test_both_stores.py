"""Each test of storage, search and interactions runs on both stores, or a list says why it does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.interactions import conftest as interactions
from tests.storage import conftest as storage
from tests.support.data import ROOT

FOLDERS = ("interactions", "search", "storage")
MODULES = sorted(each for name in FOLDERS for each in (ROOT / "tests" / name).glob("test_*.py"))
OPENS = re.compile(r"\bopen_(?:sqlite|mongo|store)\(|\bmongo\.database\(|\bopening\.open_store\(")

OF_SQLITE = "it is of SQLite's files, tables or statements"
OF_MONGO = "it is of MongoDB's server, commands or failures"
ON_ONE = {
    "storage/test_budget.py": f"{OF_SQLITE}: its machine counts the steps; test_mongo_costs counts commands",
    "storage/test_denials.py": f"{OF_SQLITE}: an old file is opened; all else is on both",
    "storage/test_dropping.py": OF_MONGO,
    "storage/test_keyvalues.py": f"{OF_SQLITE}: two stores on one file; the promises are kept on both",
    "storage/test_logging.py": f"{OF_SQLITE}: what waits is the group commit's",
    "storage/test_mongo.py": OF_MONGO,
    "storage/test_mongo_costs.py": OF_MONGO,
    "storage/test_mongo_failures.py": OF_MONGO,
    "storage/test_mongo_plans.py": OF_MONGO,
    "storage/test_piecemeal.py": f"{OF_SQLITE}: MongoDB works a register out in one transaction",
    "storage/test_plans.py": f"{OF_SQLITE}: scripts/mongo-plans asks a real MongoDB, test_mongo the wire server",
    "storage/test_schema.py": f"{OF_SQLITE}: the steps from one release to the next",
    "storage/test_scrub.py": f"{OF_SQLITE}: its damages are rows; test_upkeep has those of both",
    "storage/test_searching_again.py": f"{OF_SQLITE}: nothing is remembered of a search on MongoDB",
    "storage/test_single_writes.py": "it is of a standalone MongoDB",
    "storage/test_snapshot.py": f"{OF_SQLITE}: its readers' transactions",
    "storage/test_telling.py": "a file of an earlier release is opened; all else is on both",
    "storage/test_undenied.py": f"{OF_SQLITE}: nothing is remembered of denials on MongoDB",
    "storage/test_upkeep.py": "each damage is made with the store's own means, on both",
    "storage/test_verifying.py": f"{OF_SQLITE}: rows of the log are changed; test_audit_log has both",
    "storage/test_words.py": f"{OF_SQLITE}: MongoDB has no index of words; what is found is asked of both",
}
"""The modules that open a store themselves, and why."""


@pytest.mark.parametrize("module", MODULES, ids=lambda each: f"{each.parent.name}/{each.name}")
def test_a_module_that_opens_one_store_by_itself_says_why(module: Path) -> None:
    opens = bool(OPENS.search(module.read_text()))

    assert opens == (f"{module.parent.name}/{module.name}" in ON_ONE)


@pytest.mark.parametrize(
    ("name", "left"),
    [("interactions", interactions.NOT_ON_MONGO), ("storage", storage.NOT_ON_MONGO)],
)
def test_what_is_left_out_on_mongodb_is_there_to_be_left_out(
    name: str, left: dict[str, str]
) -> None:
    text = "".join(each.read_text() for each in MODULES if each.parent.name == name)

    assert all(left.values())
    assert {each for each in left if f"def {each.partition('[')[0]}(" not in text} == set()


def test_what_takes_a_store_takes_both() -> None:
    assert list(storage.BACKENDS) == list(interactions.BACKENDS) == ["sqlite", "mongo"]
