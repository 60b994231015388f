"""The error file: one JSON line for each resource that was rejected."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from fhir_server.bulk.preparing import Rejected

Reporter = Callable[[Path, Sequence[Rejected]], None]
"""Takes what was rejected of a file."""


def reporter(errors: Path) -> Reporter:
    """Return a function that appends rejections to the error file, which is made with the first one."""
    errors.unlink(missing_ok=True)

    def report(source: Path, rejections: Sequence[Rejected]) -> None:
        if not rejections:
            return
        with errors.open("a", encoding="utf-8") as file:
            for each in rejections:
                outcome = json.loads(each.outcome)
                entry = {"source": str(source), "line": each.line, "outcome": outcome}
                file.write(json.dumps(entry) + "\n")

    return report
