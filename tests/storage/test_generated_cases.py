"""Every search parameter of every type on each store: what is found, and what is not, as in `tests/search`."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.fhir.json import members
from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.contract import Draft, Put, Store
from tests.search.coverage import served
from tests.search.generation import Sample, samples
from tests.search.support import UPDATED, query_of, record_of
from tests.storage.conftest import BACKENDS

EVERYTHING = Visibility.everything("test")


def made() -> list[tuple[str, Sample]]:
    """Return the samples of all parameters, each with its code and an id of its own."""
    found = [
        (code, each)
        for (kind, code), parameter in served().items()
        for _, several in samples(kind, parameter)
        for each in several
        if code != "_id"
    ]
    return [
        (code, each._replace(resource={**each.resource, "id": f"s{number}"}))
        for number, (code, each) in enumerate(found)
    ]


def put(sample: Sample) -> Put:
    key = Key(sample.resource["resourceType"], sample.resource["id"])
    return Put(Draft(key, b"", members({"n": 1}), record_of(sample.resource)))


async def finds(store: Store, sample: Sample, query: str) -> bool:
    plan = query_of(sample.resource["resourceType"], f"_id={sample.resource['id']}&{query}").plan
    return bool((await store.search(EVERYTHING, plan, None, 1)).rows)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_each_parameter_finds_by_its_value_and_by_nothing_else(
    backend: str, tmp_path: Path
) -> None:
    cases = made()
    async with BACKENDS[backend](tmp_path, lambda: UPDATED) as store:
        await store.write([put(each) for _, each in cases], atomic=False)
        for code, sample in cases:
            there = [f"{code}={sample.found}", f"{code}:missing=false"]
            absent = [*(f"{code}={each}" for each in sample.missed), f"{code}:missing=true"]
            found = [each for each in (*there, *absent) if await finds(store, sample, each)]
            assert (sample.resource, found) == (sample.resource, there)
