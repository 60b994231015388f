"""The canonical queries are thirty, ask what the server serves, and each finds something."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from urllib.parse import parse_qsl, urlsplit

import pytest

from fhir_server.demonstration.bulk.stream import ordinary_patient
from fhir_server.demonstration.codes import HBA1C
from fhir_server.demonstration.queries import Query, canonical
from fhir_server.demonstration.welcome import welcome
from fhir_server.fhir.resource import Resource
from fhir_server.search.expression import Predicate
from fhir_server.search.indexing import Extractor
from fhir_server.search.matching import matches
from fhir_server.search.parsing import parse_query
from fhir_server.search.record import IndexRecord
from tests.demonstration.material import (
    RESOURCES,
    TODAY,
    a_platform,
    a_population,
    definitions,
    of_type,
)

QUERIES = canonical(resources=RESOURCES, today=TODAY)
NOW = int(datetime(TODAY.year, TODAY.month, TODAY.day, 9, tzinfo=UTC).timestamp()) * 1_000_000


def test_there_are_thirty_under_different_names() -> None:
    assert len({query.name for query in QUERIES}) == len({query.path for query in QUERIES}) == 30


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_a_query_finds_something_and_is_understood_whole(query: Query) -> None:
    records = _records(query.resource_type)

    found = _search(query.resource_type, query.parameters, records)

    assert found


@pytest.mark.parametrize(
    "name", ["patient by id", "patient by NHS number", "patient by bare number"]
)
def test_one_patient_is_found_by_each_of_their_names(name: str) -> None:
    query = next(each for each in QUERIES if each.name == name)

    found = _search("Patient", query.parameters, _records("Patient"))

    assert found == [f"patient-{ordinary_patient(RESOURCES):06}"]


@pytest.mark.parametrize("resources", [1_000, RESOURCES])
def test_the_ordinary_patient_has_a_record_with_the_commonest_code(resources: int) -> None:
    patient = f"Patient/patient-{ordinary_patient(resources):06}"

    measured = [
        each
        for each in of_type("Observation", a_population())
        if each["subject"]["reference"] == patient
    ]

    assert len(measured) > 5
    assert any(each["code"] == HBA1C for each in measured)


def test_the_base_url_may_end_in_a_slash() -> None:
    assert welcome("http://localhost/fhir/") == welcome("http://localhost/fhir")


def test_the_first_searches_to_try_find_something() -> None:
    urls = welcome("http://localhost:8000/fhir")

    for url in urls:
        parts = urlsplit(url)
        resource_type = parts.path.rpartition("/")[2]
        records = _extracted(of_type(resource_type, a_platform()))
        assert _search(resource_type, parts.query, records)

    assert len(urls) == 3


def test_the_free_beds_of_a_hospital_are_some_of_all() -> None:
    records = _extracted(of_type("Location", a_platform()))

    def resolve(_: str, predicate: Predicate, /) -> bool:
        return any(matches(predicate, each, updated=NOW, resolve=resolve) for each in records)

    query = parse_query("Location", [("partof:below", "site-1")], definitions(), now=NOW)
    within = [
        each
        for each in records
        if matches(query.plan.predicate, each, updated=NOW, resolve=resolve)
    ]

    assert 50 < len(within) < len(records)
    assert any("operational-status=U" in term for each in within for term in each.terms)


def _search(resource_type: str, parameters: str, records: Sequence[IndexRecord]) -> list[str]:
    pairs = parse_qsl(parameters, strict_parsing=True)
    query = parse_query(resource_type, pairs, definitions(), now=NOW)
    assert query.ignored == ()
    return [each.id for each in records if matches(query.plan.predicate, each, updated=NOW)]


@cache
def _records(resource_type: str) -> Sequence[IndexRecord]:
    return _extracted(of_type(resource_type, a_population()))


def _extracted(resources: Sequence[Resource]) -> Sequence[IndexRecord]:
    extractor = Extractor(definitions())
    return [extractor.extract(each) for each in resources]
