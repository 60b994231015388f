"""A load that was cut off goes on where it stopped, unless the file is another one."""

from __future__ import annotations

from pathlib import Path

from fhir_server.bulk.resumption import State


def test_without_a_state_file_nothing_is_loaded(tmp_path: Path) -> None:
    source = tmp_path / "a.ndjson"
    source.write_text("x")

    assert State.at(tmp_path / "state.json").line(source) == 0


def test_a_damaged_state_file_means_that_nothing_is_loaded(tmp_path: Path) -> None:
    source = tmp_path / "a.ndjson"
    source.write_text("x")
    (tmp_path / "state.json").write_text("{")

    assert State.at(tmp_path / "state.json").line(source) == 0


def test_what_was_reached_is_known_to_the_next_load(tmp_path: Path) -> None:
    source = tmp_path / "a.ndjson"
    source.write_text("x")
    State.at(tmp_path / "state.json").reached(source, 7, 1_000)

    again = State.at(tmp_path / "state.json")

    assert again.line(source) == 7
    source.write_text("a later file of that name")
    assert again.line(source) == 0


def test_a_finished_load_leaves_no_state(tmp_path: Path) -> None:
    source = tmp_path / "a.ndjson"
    source.write_text("x")
    state = State.at(tmp_path / "state.json")
    state.reached(source, 7, 1_000)

    state.finished()

    assert list(tmp_path.glob("state*")) == []


def test_few_items_are_written_with_the_next_ones(tmp_path: Path) -> None:
    source = tmp_path / "a.ndjson"
    source.write_text("x")
    state = State.at(tmp_path / "state.json")

    state.reached(source, 7, 1)
    before = State.at(tmp_path / "state.json").line(source)
    state.reached(source, 1_006, 999)

    assert before == 0
    assert State.at(tmp_path / "state.json").line(source) == 1_006
