"""What is asked of the catalogue at each search costs two seeks, however large the store is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from fhir_server.policy.visibility import Visibility
from fhir_server.storage.parameters import Catalogue
from fhir_server.storage.sqlite.cataloguing import catalogue_in, stamp
from fhir_server.storage.sqlite.reading import Reader
from fhir_server.storage.sqlite.schema import SCHEMA, connect

STATEMENTS: dict[str, Callable[[apsw.Connection], object]] = {
    "stamp": stamp,
    "extent": lambda connection: Reader(connection).extent("Patient"),
    "following": lambda connection: Reader(connection).following(
        Visibility.everything("test"), "Patient", "p1", 100, 10
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_each_statement_is_a_search_of_an_index_without_sorting(tmp_path: Path, name: str) -> None:
    connection = connect(tmp_path / "store.db")
    asked: list[tuple[str, object]] = []

    def note(_: apsw.Cursor, statement: str, bindings: object) -> bool:
        asked.append((statement, bindings))
        return True

    connection.exec_trace = note
    STATEMENTS[name](connection)
    connection.exec_trace = None

    assert asked
    for statement, bindings in asked:
        steps = connection.execute("EXPLAIN QUERY PLAN " + statement, bindings)  # type: ignore[arg-type]
        details = [str(step[3]) for step in steps]
        assert not [each for each in details if "TEMP B-TREE" in each], details
        assert {each for each in details if each.startswith("SCAN")} <= {"SCAN catalogue"}, details
    connection.close()


def test_a_store_of_the_first_schema_has_an_empty_catalogue_before_it_is_migrated(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    connection = apsw.Connection(str(path))
    connection.execute(SCHEMA)
    connection.pragma("user_version", 1)
    connection.close()

    assert catalogue_in(path) == Catalogue()
