"""What the commands do to a store goes by the search parameters that the store has."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from fhir_server.bulk.loading import Tally
from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Resource
from fhir_server.offline.checking import Finding, reindexing, scrubbing
from fhir_server.offline.loading import load_into_store
from fhir_server.settings import Settings
from tests.catalogue.nodes import LANGUAGE, SHIPPED, TITLE, a_node, a_parameter, a_patient
from tests.support.steps import all_steps

BED = {"resourceType": "Location", "id": "bed", "physicalType": {"coding": [{"code": "bd"}]}}


def settings_at(folder: Path) -> Settings:
    return Settings(store=f"sqlite:{folder / 'store.db'}")


def load(folder: Path, *resources: Resource) -> Tally:
    """Load resources into the store of a folder, and return what became of them."""
    source, tally = folder / "in.ndjson", Tally()
    source.write_text("".join(json.dumps(each) + "\n" for each in resources))

    async def run() -> None:
        await load_into_store(
            settings_at(folder),
            [source],
            report=lambda _, __: None,
            tally=tally,
            processes=1,
        )

    anyio.run(run)
    return tally


def findings(folder: Path) -> list[Finding]:
    return [each for each in all_steps(scrubbing(settings_at(folder))) if isinstance(each, Finding)]


async def found(folder: Path, kind: str, **asked: str) -> list[str]:
    """Return what a server on the store finds once it has nothing to index left."""
    async with a_node(folder / "store.db", SHIPPED) as node:
        await node.settle()
        return await node.found(kind, **asked)


def test_a_load_into_a_new_store_indexes_by_what_is_shipped(tmp_path: Path) -> None:
    assert load(tmp_path, BED).written == 1

    async def enabled() -> None:
        async with a_node(tmp_path / "store.db", SHIPPED) as node:
            assert not node.register.current.catalogue.work
            assert await node.found("Location", **{"physical-type": "bd"}) == ["bed"]

    anyio.run(enabled)
    assert findings(tmp_path) == []


def test_a_parameter_that_is_loaded_is_searched_by_once_a_server_ran(tmp_path: Path) -> None:
    bad = a_parameter("bad", "Patient.nonsense")
    tally = load(tmp_path, a_patient("ada", "fr"), LANGUAGE, bad)

    assert (tally.written, tally.rejected) == (2, 1)
    assert findings(tmp_path) == []
    searched = anyio.run(lambda: found(tmp_path, "Patient", spoken="fr"))
    assert searched == ["ada"]
    assert findings(tmp_path) == []


def test_a_load_after_that_indexes_by_it(tmp_path: Path) -> None:
    load(tmp_path, LANGUAGE)
    anyio.run(lambda: found(tmp_path, "Patient"))

    load(tmp_path, LANGUAGE, a_patient("ada", "fr"))

    assert findings(tmp_path) == []
    assert anyio.run(lambda: found(tmp_path, "Patient", spoken="fr")) == ["ada"]


def test_to_index_anew_goes_by_the_parameters_of_the_store_and_ends_where_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_server.storage.sqlite.reindexing.TOGETHER", 1)
    load(tmp_path, a_patient("ada", "fr"), a_patient("bob", "de"), LANGUAGE)
    anyio.run(lambda: found(tmp_path, "Patient"))

    assert [each.done for each in all_steps(reindexing(settings_at(tmp_path)))] == [1, 2, 3]
    assert findings(tmp_path) == []

    async def write_meanwhile() -> None:
        steps = reindexing(settings_at(tmp_path))
        await anext(steps)
        async with a_node(tmp_path / "store.db", SHIPPED) as node:
            await node.put(TITLE)
            await node.register.refresh()
        with pytest.raises(Unavailable, match="run it again"):
            await anext(steps)

    anyio.run(write_meanwhile)
