"""The table and the plot of growth, and the key that cached stores go by."""

from __future__ import annotations

import itertools
from math import nan
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import growth, plot, population, stores
from bench.growth import Times
from bench.stores import Loaded

SVG = "{http://www.w3.org/2000/svg}"
TIMES: Times = {
    "one": [0.0001, 0.0001],
    "two & three": [0.0002, 0.0008],
    "a patient's HbA1c, newest first": [0.0001, 0.00012],
}


def loaded(tmp_path: Path) -> list[Loaded]:
    path = tmp_path / "store.db"
    path.write_bytes(b" " * 20_000_000)
    return [
        Loaded(f"sqlite:{path}", 10_000, 2.0, 150.0),
        Loaded(f"sqlite:{path}", 1_000_000, 300.0, 301.0),
    ]


def test_a_promise_that_is_not_kept_is_said_to_be_broken(tmp_path: Path) -> None:
    kept = [each.kept for each in growth.figures(TIMES, loaded(tmp_path))]

    assert kept == [True, True, False]


def test_the_figure_names_the_worst_query(tmp_path: Path) -> None:
    (figure, *_) = growth.figures(TIMES, loaded(tmp_path))

    assert figure.ratio == "1.20 times (worst: two & three, 4.0)"


def test_the_table_has_the_worst_query_first_and_the_disk_that_is_taken(tmp_path: Path) -> None:
    lines = growth.table(TIMES, loaded(tmp_path)).splitlines()

    rows = [each for each in lines if each.startswith("|")]
    assert rows[0] == "| query | 10,000 | 1,000,000 | growth |"
    assert rows[3] == "| two & three | 0.2 | 0.8 | 4.0 |"
    assert len(rows) == 3 + len(TIMES)
    assert "0.02 GB, 0.02 GB" in lines[3]


def test_a_query_that_was_refused_says_so_in_its_row_and_counts_nowhere_else(
    tmp_path: Path,
) -> None:
    times = TIMES | {"refused": [0.1, nan]}

    lines = growth.table(times, loaded(tmp_path)).splitlines()

    assert lines[-1] == "| refused | 100 | too costly |  |"
    assert growth.medians(times) == growth.medians(TIMES)


def test_the_plot_has_a_line_for_each_query_and_names_the_worst(tmp_path: Path) -> None:
    growth.write(TIMES, loaded(tmp_path), tmp_path)

    drawn = ET.fromstring((tmp_path / "growth.svg").read_text())  # noqa: S314 - our own
    lines = drawn.findall(f"{SVG}polyline")
    said = [each.text for each in drawn.findall(f"{SVG}text")]
    assert sorted(each.attrib["class"] for each in lines) == ["median", "query", "query", "worst"]
    assert "two & three, 4.0 times" in said
    assert "one, 1.0 times" not in said


def test_names_beside_the_plot_do_not_cover_each_other() -> None:
    same = {f"query {number}": [0.001, 0.002] for number in range(5)}

    drawn = ET.fromstring(plot.drawing(same, [0.001, 0.002], [1, 10], labelled=[*same]))  # noqa: S314
    places = sorted(
        float(each.attrib["y"])
        for each in drawn.findall(f"{SVG}text")
        if "times" in (each.text or "")
    )

    assert len(places) == 6
    assert all(b - a >= plot.APART - 0.2 for a, b in itertools.pairwise(places))


def test_a_cached_store_goes_by_every_byte_that_it_is_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(population, "ROOT", tmp_path)
    (tmp_path / "made").mkdir()
    source = tmp_path / "made" / "by.py"
    source.write_text("1")
    before = population.key(["made"])

    source.write_text("2")

    assert population.key(["made"]) != before
    source.write_text("1")
    assert population.key(["made"]) == before


def test_a_store_is_loaded_once_and_a_stale_one_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []

    def load(_: Path, store: str) -> tuple[float, float]:
        Path(store.removeprefix("sqlite:")).write_bytes(b"loaded")
        loads.append(store)
        return 2.5, 150.0

    monkeypatch.setattr(stores, "FOLDER", tmp_path)
    monkeypatch.setattr(stores, "ndjson", lambda _: tmp_path / "population")
    monkeypatch.setattr(stores, "_load", load)
    stale = tmp_path / "store-300-0123456789ab.db"
    stale.write_bytes(b"stale")

    first, second = stores.store(300), stores.store(300)

    assert first == second == Loaded(loads[0], 300, 2.5, 150.0)
    assert len(loads) == 1
    assert not stale.exists()
