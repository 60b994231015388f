"""The time zone of a node: dates that name none are read in it by each command, and in no other."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import httpx2 as httpx
import pytest

from fhir_server.bulk.loading import Tally
from fhir_server.fhir.errors import Unavailable
from fhir_server.offline.checking import Finding, reindexing, scrubbing
from fhir_server.offline.loading import load_into_store
from fhir_server.offline.opting_out import opt_outs
from fhir_server.settings import Settings
from tests.support.server import running_server
from tests.support.steps import all_steps

TOKYO, LONDON = "Asia/Tokyo", "Europe/London"
BORN = {
    "resourceType": "Observation",
    "id": "first",
    "status": "final",
    "code": {"text": "x"},
    "effectiveDateTime": "2024-07-01",
}
DAY_OF = {
    TOKYO: "date=sa2024-06-30T14:59:59Z&date=eb2024-07-01T15:00:00Z",
    LONDON: "date=sa2024-06-30T22:59:59Z&date=eb2024-07-01T23:00:00Z",
}
"""What lies within the first of July there."""


def settings_in(zone: str, store: Path) -> Settings:
    return Settings(store=f"sqlite:{store}", time_zone=zone)


def load(zone: str, store: Path) -> None:
    source = store.with_name("in.ndjson")
    source.write_text(json.dumps(BORN))
    settings, tally = settings_in(zone, store), Tally()

    async def run() -> None:
        await load_into_store(settings, [source], report=lambda *_: None, tally=tally, processes=1)

    anyio.run(run)
    assert tally.written == 1


def total(base: str, query: str) -> int:
    number: int = httpx.get(f"{base}/Observation?{query}").raise_for_status().json()["total"]
    return number


def assert_read_in(zone: str, store: Path) -> None:
    """See that a server and a check read dates in this zone."""
    assert not [
        each for each in all_steps(scrubbing(settings_in(zone, store))) if isinstance(each, Finding)
    ]
    with running_server(store, time_zone=zone) as base:
        assert {each: total(base, query) for each, query in DAY_OF.items()} == {
            each: int(each == zone) for each in DAY_OF
        }
        assert total(base, "date=2024-07-01&date=ge2024-07-01") == 1


@pytest.mark.parametrize("zone", [TOKYO, LONDON])
def test_dates_without_a_zone_are_of_the_nodes(tmp_path: Path, zone: str) -> None:
    store = tmp_path / "store.db"

    load(zone, store)

    assert_read_in(zone, store)


def test_a_store_of_another_zone_is_refused_until_it_is_indexed_anew(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    load(LONDON, store)

    with pytest.raises(Unavailable, match=r"in the time zone Europe/London.* missed in Asia/Tokyo"):
        anyio.run(opt_outs, settings_in(TOKYO, store))
    all_steps(reindexing(settings_in(TOKYO, store)))

    assert_read_in(TOKYO, store)
    with pytest.raises(Unavailable, match="set FHIR_TIME_ZONE=Asia/Tokyo"):
        anyio.run(opt_outs, settings_in(LONDON, store))


def test_a_store_that_is_half_indexed_anew_is_of_neither_zone(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    load(LONDON, store)

    async def begin() -> None:
        await anext(reindexing(settings_in(TOKYO, store)))

    anyio.run(begin)

    for zone in (LONDON, TOKYO):
        with pytest.raises(Unavailable, match="run fhir-server reindex"):
            anyio.run(opt_outs, settings_in(zone, store))


def test_an_empty_store_takes_any_zone(tmp_path: Path) -> None:
    store = tmp_path / "store.db"

    for zone in (LONDON, TOKYO, LONDON):
        assert anyio.run(opt_outs, settings_in(zone, store)) is None


def test_pages_are_as_large_as_the_node_makes_them(tmp_path: Path) -> None:
    with running_server(tmp_path / "store.db", page_size=2, max_page_size=3) as base:
        for each in range(5):
            httpx.put(
                f"{base}/Observation/{each}", json=BORN | {"id": f"{each}"}
            ).raise_for_status()

        def entries(query: str) -> int:
            return len(httpx.get(f"{base}/{query}").raise_for_status().json()["entry"])

        assert entries("Observation") == 2
        assert entries("Observation?_count=1") == 1
        assert entries("Observation?_count=100") == 3
        assert entries("Observation/_history") == 2
        assert entries("Observation/_history?_count=100") == 3
