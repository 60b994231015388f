"""How far each file is loaded, kept in a small file, so that a load that was cut off goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

SAVED_EVERY = 1_000
"""Items after which the file is written: a folder has thousands of files, of one item each."""


@dataclass(slots=True)
class State:
    """The last loaded line of each file, in a JSON file that is replaced as a whole."""

    path: Path
    lines: dict[str, int] = field(default_factory=dict)
    unsaved: int = 0

    @classmethod
    def at(cls, path: Path) -> State:
        """Return the state that a load left behind; an empty one where the last load finished."""
        try:
            return cls(path, json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError):
            return cls(path)

    def line(self, source: Path) -> int:
        """Return the last line of a file that is loaded."""
        return self.lines.get(_mark(source), 0)

    def reached(self, source: Path, line: int, items: int) -> None:
        """Remember that a file is loaded up to a line, `items` more than before; on disk, every thousand."""
        self.lines[_mark(source)] = line
        self.unsaved += items
        if self.unsaved >= SAVED_EVERY:
            self.save()

    def save(self) -> None:
        """Write what is remembered, as a whole."""
        self.unsaved = 0
        beside = self.path.with_name(self.path.name + ".part")
        beside.write_text(json.dumps(self.lines), encoding="utf-8")
        beside.replace(self.path)

    def finished(self) -> None:
        """Forget everything: all files are loaded."""
        self.path.unlink(missing_ok=True)


def _mark(source: Path) -> str:
    """Return what tells a file from others, and from a later one of its name."""
    status = source.stat()
    return f"{source.resolve()}|{status.st_size}|{status.st_mtime_ns}"
