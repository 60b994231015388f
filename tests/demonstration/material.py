"""What the tests of the synthetic data share: one platform, one population, and ways to look into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec

from fhir_server.conformance.definitions import Definitions
from fhir_server.demonstration.bulk import population
from fhir_server.demonstration.generation import platform
from fhir_server.fhir.resource import Resource
from tests.support.data import ROOT

TODAY = date(2026, 11, 23)
RESOURCES = 10_000
JSON = msgspec.json.Encoder(decimal_format="number")


@cache
def definitions() -> Definitions:
    """Return the R4 definitions of this repository."""
    return Definitions(ROOT / "profiles" / "r4")


@cache
def a_platform(trusts: int = 1) -> Sequence[Resource]:
    """Return a platform of a hundred patients a trust."""
    return list(platform(seed=7, trusts=trusts, patients=100 * trusts, today=TODAY))


@cache
def a_population() -> Sequence[Resource]:
    """Return a small large population."""
    return list(population(seed=7, resources=RESOURCES, today=TODAY))


def digest(resources: Sequence[Resource]) -> str:
    """Return a hash of the resources as JSON."""
    return sha256(JSON.encode(resources)).hexdigest()


def of_type(resource_type: str, resources: Iterable[Resource]) -> list[Resource]:
    """Return the resources of one type."""
    return [each for each in resources if each["resourceType"] == resource_type]


def key(resource: Resource) -> str:
    """Return the address of a resource: Patient/patient-0001."""
    return f"{resource['resourceType']}/{resource['id']}"


def objects(value: Any) -> Iterator[Resource]:
    """Yield each JSON object in a value, itself included."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from objects(each)


def references(resource: Resource) -> Iterator[str]:
    """Yield what a resource refers to."""
    return (each["reference"] for each in objects(resource) if "reference" in each)


def dangling(resources: Iterable[Resource]) -> list[str]:
    """Return the references that do not point back to an earlier resource."""
    known: set[str] = set()
    found = []
    for resource in resources:
        found += [
            f"{key(resource)} -> {target}" for target in references(resource) if target not in known
        ]
        known.add(key(resource))
    return found
