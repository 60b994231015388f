"""Each of the thirty canonical queries is found by an index of ours, as far as the wire server's planner tells: it obeys hints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import mongo_plans
from bench.population import TODAY
from fhir_server.demonstration.queries import canonical
from fhir_server.storage.mongo.documents import RESOURCE
from fhir_server.storage.mongo.schema import INDEXES
from tests.support import mongo

RESOURCES = 60
MOST_INDEXES = 12


def test_each_canonical_query_is_a_scan_of_an_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mongo.database(tmp_path) as url:
        mongo_plans.main([url, "--resources", str(RESOURCES)])

    told = capsys.readouterr().out
    ways = re.findall(r"^ {4}(.*< )?(\w+) ?(\w*)$", told, re.MULTILINE)
    assert len(ways) == 30
    assert len(list(canonical(resources=RESOURCES, today=TODAY))) == 30
    assert {stage for _, stage, _ in ways} == {"IXSCAN"}
    assert {index for _, _, index in ways} <= INDEXES[RESOURCE].keys()


def test_no_collection_has_more_indexes_than_writes_can_bear() -> None:
    assert {name for name, made in INDEXES.items() if len(made) + 1 > MOST_INDEXES} == set()
