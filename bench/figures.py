"""One measured figure, its limit in the same run, and the table of them all."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, against what; `promised` is in words, `kept` tells whether it holds, None without one."""

    name: str
    measured: str
    limit: str
    ratio: str
    promised: str
    kept: bool | None


_KEPT = {True: "yes", False: "**no**", None: ""}


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def number(value: float) -> str:
    """Return a number for people: three digits that count, thousands marked."""
    if value >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def as_markdown(figures: Sequence[Figure]) -> str:
    """Return the table that stands in README."""
    rows = [
        "| what | measured | limit in the same run | ratio | promised | |",
        "|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {e.name} | {e.measured} | {e.limit} | {e.ratio} | {e.promised} | {_KEPT[e.kept]} |"
        for e in figures
    ]
    return "\n".join(rows)


def save(figures: Sequence[Figure], path: Path) -> None:
    """Write the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(each) for each in figures], indent=1) + "\n")
