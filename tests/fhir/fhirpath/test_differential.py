"""Our engine and fhirpathpy give the same values for the commonest constructs, on others' records."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.fhirpath import compile_path, root
from fhir_server.fhir.resource import Resource
from tests.support.data import shared_data

CASES = [
    ("Patient", "Patient.name.given"),
    ("Patient", "Patient.telecom.where(system = 'phone').value"),
    ("Patient", "Patient.name.given.first() | Patient.name.family"),
    (
        "Patient",
        "Patient.extension('http://hl7.org/fhir/StructureDefinition/us-core-ethnicity').value.coding.code",
    ),
    ("Patient", "Patient.birthDate < @1990-01-01 and Patient.gender = 'female'"),
    ("Patient", "Patient.telecom.select(system + ':' + value)"),
    ("Patient", "Patient.address.exists(city.startsWith('P') or state in ('MI' | 'NY'))"),
    ("Patient", "Patient.deceased.exists() and Patient.deceased != false"),
    ("Observation", "(Observation.value as Quantity).value"),
    ("Observation", "Observation.value.ofType(Quantity).where(value > 10).unit"),
    ("Observation", "Observation.value is string"),
    ("Observation", "Observation.code.coding.all(system.exists() implies code.exists())"),
    ("Observation", "Observation.descendants().where($this is dateTime).count()"),
    ("Encounter", "iif(Encounter.status = 'finished', Encounter.period.end, {})"),
    (
        "Encounter",
        "Encounter.participant.individual.reference.replace('Practitioner/', '').distinct()",
    ),
    ("Condition", "Condition.onset.as(dateTime).toString().substring(0, 4).toInteger() div 10"),
]


def records(resource_type: str) -> Iterator[Resource]:
    """Yield a hundred of the records of a type."""
    with (shared_data() / "records" / f"{resource_type}.ndjson").open() as lines:
        for line in itertools.islice(lines, 100):
            yield json.loads(line, parse_float=Decimal)


@pytest.mark.parametrize(("resource_type", "expression"), CASES)
def test_both_engines_agree(resource_type: str, expression: str, definitions: Definitions) -> None:
    ours = compile_path(expression, definitions)
    theirs = fhirpathpy.compile(expression, models["r4"])
    results: list[Any] = []

    for record in records(resource_type):
        found = [each.value for each in ours(root(record))]
        assert found == theirs(record, {}), record["id"]
        results.append(found)

    assert any(results)
