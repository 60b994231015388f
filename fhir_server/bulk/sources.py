"""Files of resources: NDJSON, JSON, XML, gzip of each, and folders of them; read as a stream."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fhir_server.fhir.errors import BadRequest

SUFFIXES = (".ndjson", ".json", ".xml")
LONGEST_LINE = 64 * 2**20
"""Bytes of one resource; a longer line is no resource but a mistake."""


@dataclass(frozen=True, slots=True)
class Item:
    """One resource as it stands in a file: the line it is on (the first is 1) and its bytes.

    `read` is how many bytes of the file, compressed as it may be, have been read with it.
    """

    line: int
    content: bytes
    read: int


def find_sources(paths: Sequence[Path]) -> list[Path]:
    """Return the files to load, those of folders in order of name; raise BadRequest for what is none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file() and is_source(each))
            if not inside:
                raise BadRequest(f"{path}: the folder has no {', '.join(SUFFIXES)} files")
            found += inside
        elif not path.exists():
            raise BadRequest(f"{path}: no such file or folder")
        elif not is_source(path):
            raise BadRequest(f"{path}: not a {', '.join(SUFFIXES)} file, or one of these with .gz")
        else:
            found.append(path)
    return found


def is_source(path: Path) -> bool:
    """Tell by its name whether a file holds resources."""
    return path.name.removesuffix(".gz").endswith(SUFFIXES) and not path.name.startswith(".")


def is_lines(path: Path) -> bool:
    """Tell by its name whether each line of a file is a resource."""
    return path.name.removesuffix(".gz").endswith(".ndjson")


def read_items(path: Path, *, after_line: int = 0) -> Iterator[Item]:
    """Yield the resources of a file, those after a line; raise BadRequest for a broken gzip."""
    with path.open("rb") as file:
        content: BinaryIO | io.BufferedReader = file
        if path.name.endswith(".gz"):
            content = io.BufferedReader(gzip.GzipFile(fileobj=file), 2**20)
        try:
            if is_lines(path):
                yield from _lines(content, file, after_line)
            elif after_line < 1:
                yield Item(1, content.read(), path.stat().st_size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
            raise BadRequest(f"{path}: the gzip is broken: {problem}") from problem


def _lines(
    content: BinaryIO | io.BufferedReader, file: BinaryIO, after_line: int
) -> Iterator[Item]:
    number = 0
    while line := content.readline(LONGEST_LINE):
        number += 1
        if number > after_line and not line.isspace():
            yield Item(number, line, file.tell())
