"""Every search parameter of every type finds a resource that has its element, by its value and by nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fhir_server.conformance.definitions import SearchParameter
from fhir_server.fhir.resource import Resource
from fhir_server.search.matching import matches
from tests.search.coverage import WITHOUT_DEFINITION, served
from tests.search.generation import Sample, samples
from tests.search.support import DEFINITIONS, UPDATED, query_of, record_of

LISTED = json.loads((Path(__file__).parent / "not_generated.json").read_text())
PARAMETERS = served()
TYPES = sorted(DEFINITIONS.resource_types)
ALWAYS_THERE = {"_id", "_lastUpdated"}


def parameters_of(resource_type: str) -> list[SearchParameter]:
    return [each for (kind, _), each in PARAMETERS.items() if kind == resource_type]


def finds(resource: Resource, query: str) -> bool:
    asked = query_of(resource["resourceType"], query)
    return matches(asked.plan.predicate, record_of(resource), updated=UPDATED)


def wrong_queries(code: str, sample: Sample) -> list[str]:
    """Return the queries that do not answer as they must for a sample."""
    bare = {name: sample.resource[name] for name in ("resourceType", "id")}
    there = [f"{code}={sample.found}", f"{code}:missing=false"]
    absent = [*(f"{code}={each}" for each in sample.missed), f"{code}:missing=true"]
    wrong = [each for each in there if not finds(sample.resource, each)]
    wrong += [each for each in absent if finds(sample.resource, each)]
    if code not in ALWAYS_THERE:
        wrong += [f"{each} of nothing" for each in there if finds(bare, each)]
    return wrong


def test_the_capability_statement_names_every_parameter_with_an_expression() -> None:
    known = {
        (kind, code)
        for kind in TYPES
        for code, each in DEFINITIONS.search_parameters(kind).items()
        if each.expression and code not in WITHOUT_DEFINITION
    }

    assert PARAMETERS.keys() == known
    assert len(known) > 2_500


def test_what_no_sample_can_be_made_for_is_listed_and_nothing_else() -> None:
    empty = [
        f"{kind}.{code}: {operand}"
        for (kind, code), parameter in PARAMETERS.items()
        for operand, found in samples(kind, parameter)
        if not found
    ]

    assert sorted(empty) == sorted(LISTED)


@pytest.mark.parametrize("kind", TYPES)
def test_each_parameter_finds_by_its_value_and_by_nothing_else(kind: str) -> None:
    for parameter in parameters_of(kind):
        for operand, found in samples(kind, parameter):
            for sample in found:
                assert (operand, wrong_queries(parameter.code, sample)) == (operand, [])


def test_a_parameter_that_finds_nothing_is_noticed() -> None:
    sample = Sample({"resourceType": "Patient", "id": "sample"}, "alpha", ())

    assert wrong_queries("family", sample) == [
        "family=alpha",
        "family:missing=false",
        "family:missing=true",
    ]


def test_a_parameter_that_finds_everything_is_noticed() -> None:
    patient = {"resourceType": "Patient", "id": "sample", "name": [{"family": "Alpha"}]}

    assert wrong_queries("family", Sample(patient, "alpha", ("al",))) == ["family=al"]
