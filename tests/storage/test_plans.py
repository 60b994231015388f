"""No statement of the thirty canonical queries, of chains or of orders scans a table or sorts in a temporary B-tree."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import apsw
import pytest

from fhir_server.bulk.preparing import preparation
from fhir_server.demonstration.bulk import population
from fhir_server.demonstration.queries import Query, canonical
from fhir_server.fhir.resource import Key
from fhir_server.interactions.drafting import prepare
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import HasId, HasWords, Plan
from fhir_server.search.parsing import parse_query
from fhir_server.search.phrases import Phrase
from fhir_server.storage.contract import Put
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher
from fhir_server.storage.sqlite.store import open_store
from tests.storage.conftest import START, ticking
from tests.support.data import ROOT

TODAY = date(2026, 11, 1)
EVERYTHING = Visibility.everything("test")
OF_A_WORD = Plan(frozenset({"Patient"}), HasWords("content", Phrase(("smith",))))
SCANNED = {
    "SCAN (subquery-1)",
    "SCAN (subquery-2)",
    "SCAN CONSTANT ROW",
    "SCAN catalogue",
    "SCAN sqlite_schema",
    "SCAN words_until",
}
"""What may be scanned: the few rows that were counted, the names of the tables, and a table of one row."""

RESOURCES = 10_000
QUERIES = canonical(resources=RESOURCES, today=TODAY)
CHAINED = [
    Query(name, kind, parameters)
    for name, kind, parameters in (
        ("chain to one", "Observation", "patient._id=patient-000000&code=27113001"),
        ("chain to few", "Observation", "subject:Patient.birthdate=gt2020"),
        ("chain to many", "Observation", "subject:Patient.gender=female"),
        ("chain of two links", "Observation", "subject:Patient.organization.name=a"),
        ("reverse chain from few", "Patient", "_has:Observation:patient:_id=x,y"),
        ("reverse chain from many", "Patient", "_has:Observation:patient:status=final"),
        ("since", "Observation", "_lastUpdated=ge2020"),
        ("final since", "Observation", "_lastUpdated=ge2020&status=final"),
        ("below many", "Encounter", "location:below=place-1"),
        ("above", "Location", "partof:above=place-1"),
        ("below", "Location", "partof:below=place-1"),
        ("by list", "Patient", "_list=list"),
        ("reverse chain within", "Encounter", "patient._has:Observation:patient:status=final"),
    )
]
WORDED = [
    Query(name, kind, parameters)
    for name, kind, parameters in (
        ("words that few have", "Patient", "_content=smith"),
        ("words that many have", "Observation", "_content=final&_text=none"),
        ("words beside a code", "Observation", "_content=not amended&code=27113001"),
        ("words of one", "Patient", "_content=smith&_id=patient-000000"),
        ("words at the end of a chain", "Observation", "subject:Patient._content=smith"),
    )
]
PLACES = [
    {
        "resourceType": "Location",
        "id": f"place-{each}",
        "partOf": {"reference": f"Location/place-{each // 10}"},
    }
    for each in range(1, 200)
]
LIST = {
    "resourceType": "List",
    "id": "list",
    "status": "current",
    "mode": "working",
    "entry": [{"item": {"reference": f"Patient/patient-{each:06}"}} for each in range(100)],
}
CONTAINER = {
    "resourceType": "MedicationRequest",
    "id": "container",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/patient-000000"},
    "contained": [{"resourceType": "Medication", "id": "m", "status": "active"}],
    "medicationReference": {"reference": "#m"},
}
CONTAINED = [
    Query(f"{kind} inside others {parameters}", kind, f"_contained={parameters}")
    for kind, parameters in (
        ("Medication", "true"),
        ("Medication", "true&status=active&_containedType=contained"),
        ("Medication", "both&status:not=active"),
        ("Medication", "both&_containedType=contained&_sort=status"),
        ("Observation", "both&code=http://snomed.info/sct|27113001"),
    )
]
SORTED = [
    Query(f"{kind} sorted by {sort} {parameters}", kind, f"{parameters}_sort={sort}")
    for kind, parameters, sort in (
        ("Observation", "", "value-quantity"),
        ("Observation", "", "-value-quantity"),
        ("Observation", "", "combo-value-quantity,patient"),
        ("Observation", "", "status,-date"),
        ("Observation", "", "-code,value-quantity"),
        ("Observation", "", "date,code"),
        ("Observation", "", "_id"),
        ("Observation", "", "-method"),
        ("Observation", "code=http://snomed.info/sct|27113001&", "-value-quantity"),
        ("Patient", "", "birthdate"),
        ("Patient", "gender=female&", "-birthdate,family"),
        ("Condition", "", "-recorded-date"),
        ("Encounter", "", "-_lastUpdated"),
    )
]
QUERIES_OF_EACH_KIND = (*QUERIES, *CHAINED, *SORTED, *WORDED, *CONTAINED)
MADE_WITH = preparation(ROOT / "profiles" / "r4", "http://localhost/fhir")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with the population that the queries are about."""
    path = tmp_path_factory.mktemp("plans") / "store.db"

    async def fill() -> None:
        async with open_store(path, clock=ticking()) as store:
            made = [*population(seed=1, resources=RESOURCES, today=TODAY), *PLACES, LIST, CONTAINER]
            puts = [
                Put(prepare(MADE_WITH, each, Key(each["resourceType"], each["id"])))
                for each in made
            ]
            # The last of them are not in the index of words.
            await store.write(puts[:-50], atomic=False)
            await store.count(EVERYTHING, OF_A_WORD)
            await store.write(puts[-50:], atomic=False)

    asyncio.run(fill())
    return path


@pytest.mark.parametrize("number", [1, 2, 100])
def test_resources_by_their_ids_are_read_by_their_ids(filled: Path, number: int) -> None:
    """Without figures on its indexes SQLite reads the whole type, and looks at each."""
    connection = connect(filled, read_only=True)
    statements: list[tuple[str, Any]] = []

    def note(_: apsw.Cursor, statement: str, bindings: Any) -> bool:
        statements.append((statement, bindings))
        return True

    plan = Plan(
        frozenset({"Patient"}), HasId(tuple(f"patient-{each:06}" for each in range(number)))
    )
    connection.exec_trace = note
    assert len(
        Searcher(connection).page(Visibility.everything("test"), plan, None, 20).rows
    ) == min(number, 20)
    connection.exec_trace = None

    text, values = next(each for each in statements if "r.id" in each[0])
    steps = connection.execute("EXPLAIN QUERY PLAN " + text, values).fetchall()
    assert "resource_key (type=? AND id=?)" in str(steps[0][3])
    connection.close()


@pytest.mark.parametrize("sight", ["everything", "one patient"])
@pytest.mark.parametrize("query", QUERIES_OF_EACH_KIND, ids=[e.name for e in QUERIES_OF_EACH_KIND])
def test_each_statement_is_a_search_of_an_index(filled: Path, query: Query, sight: str) -> None:
    connection = connect(filled, read_only=True)
    statements: dict[str, Any] = {}

    def note(_: apsw.Cursor, statement: str, bindings: Any) -> bool:
        statements.setdefault(statement, bindings)
        return True

    sees = EVERYTHING if sight == "everything" else EVERYTHING.of_patient("patient-000000")
    pairs = parse_qsl(query.parameters)
    asked = parse_query(query.resource_type, pairs, MADE_WITH.definitions, now=START)
    connection.exec_trace = note
    searcher = Searcher(connection)
    first = searcher.page(sees, asked.plan, None, 20)
    searcher.page(sees, asked.plan, first.next, 20)
    searcher.count(sees, asked.plan)
    connection.exec_trace = None

    selects = {text: values for text, values in statements.items() if "SELECT" in text}
    assert selects
    for text, values in selects.items():
        steps = connection.execute("EXPLAIN QUERY PLAN " + text, values).fetchall()
        details = [str(step[3]) for step in steps]
        assert not [each for each in details if "TEMP B-TREE" in each], (text, details)
        scanned = [
            each
            for each in details
            if each.startswith("SCAN") and "json_each" not in each and "words VIRTUAL" not in each
        ]
        assert set(scanned) <= SCANNED, (text, details)
    connection.close()
