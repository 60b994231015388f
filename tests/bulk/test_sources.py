"""Files of resources are found by name and read as a stream."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fhir_server.bulk.sources import find_sources, read_items
from fhir_server.fhir.errors import BadRequest


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("absent", "no such file"), ("notes.txt", "not a .ndjson"), ("empty", "has no .ndjson")],
)
def test_what_is_no_source_is_refused_by_name(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "notes.txt").write_text("no resource")
    (tmp_path / "empty").mkdir()

    with pytest.raises(BadRequest, match=complaint):
        find_sources([tmp_path / name])


def test_a_folder_gives_its_files_in_order_of_name_however_deep(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.json", "b/a.ndjson.gz", "a.xml", "readme.md", ".hidden.json"):
        (tmp_path / name).write_bytes(b"")

    found = find_sources([tmp_path])

    assert [each.relative_to(tmp_path).as_posix() for each in found] == [
        "a.xml",
        "b/a.ndjson.gz",
        "c.json",
    ]


def test_a_broken_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n' * 10_000)[:60])

    with pytest.raises(BadRequest, match="gzip is broken"):
        list(read_items(path))


@pytest.mark.parametrize("suffix", [".ndjson", ".ndjson.gz"])
def test_lines_keep_their_numbers_over_empty_ones(tmp_path: Path, suffix: str) -> None:
    content = b'{"n":1}\n\n  \n{"n":4}\n{"n":5}'
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)

    items = list(read_items(path))
    later = list(read_items(path, after_line=4))

    assert [(each.line, each.content.strip()) for each in items] == [
        (1, b'{"n":1}'),
        (4, b'{"n":4}'),
        (5, b'{"n":5}'),
    ]
    assert [each.line for each in later] == [5]
    assert items[-1].read == path.stat().st_size


def test_a_file_of_one_resource_is_one_item(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{\n"a": 1\n}')

    assert [each.content for each in read_items(path)] == [b'{\n"a": 1\n}']
    assert list(read_items(path, after_line=1)) == []
