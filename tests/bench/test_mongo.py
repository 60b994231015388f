"""The benchmarks on a MongoDB: the same table, and nothing that is left there."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from bench.__main__ import _address
from bench.place import Place, disk
from tests.support import mongo
from tests.support.nodes import environment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    process, address = mongo.started()
    yield address
    mongo.ended(process)


def test_a_store_that_is_no_mongodb_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="mongodb://HOST/NAME"):
        _address("sqlite:x.db")


def test_stores_are_databases_beside_the_one_that_is_named(tmp_path: Path) -> None:
    place = Place(tmp_path, _address("mongodb://ada:secret@h:1/ward?replicaSet=rs0"))

    assert place.address("large") == "mongodb://ada:secret@h:1/ward_large?replicaSet=rs0"
    assert Place(tmp_path, "mongodb://h").address("large") == "mongodb://h/bench_large"
    assert Place(tmp_path).address("large") == f"sqlite:{tmp_path}/large.db"


def test_a_store_is_told_from_none_weighed_and_removed(server: str, tmp_path: Path) -> None:
    place = Place(tmp_path, f"{server}/weighed")
    before = place.holds("large")
    with MongoClient[dict[str, object]](place.address("large")) as client:
        client.get_default_database()["some"].insert_one({"some": "thing"})
    filled = place.holds("large")
    weight = disk(place.address("large"))
    place.remove("large")

    assert [before, filled, place.holds("large")] == [False, True, False]
    assert weight >= 0


def test_the_table_is_the_same_and_says_what_was_not_measured(server: str) -> None:
    asked = ["load", "read", "--resources", "200", "--seconds", "0.1", "--store", f"{server}/small"]

    run = subprocess.run(
        [sys.executable, "-m", "bench", *asked],
        cwd=ROOT,
        env=environment() | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    with MongoClient[dict[str, object]](server) as client:
        left = [each for each in client.list_database_names() if each.startswith("small")]

    assert run.returncode == 0, run.stderr
    rows = [each for each in run.stdout.splitlines() if each.startswith("|")]
    assert rows[0].startswith("| what | measured | limit in the same run |")
    assert "not measured on MongoDB" in rows[2]
    assert any(each.startswith("| read by id") and "none on MongoDB" in each for each in rows)
    assert left == []
