"""A plot of growth as SVG: a line for each query on logarithmic axes, readable on light and on dark paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 960, 560
LEFT, RIGHT, TOP, BOTTOM = 70, 320, 50, 50
LABELLED = 6
"""How many lines have their name beside them."""

APART = 15
"""Pixels between two names."""

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333 }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #ddd }
.query { stroke: #8a99ad; stroke-width: 1; fill: none }
.worst { stroke: #c2410c; stroke-width: 1.8; fill: none }
.median { stroke: #1d4ed8; stroke-width: 3; fill: none }
text.worst { fill: #c2410c; stroke: none }
text.median { fill: #1d4ed8; stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd }
  .grid { stroke: #444 }
  .query { stroke: #7c8799 }
  .worst { stroke: #fb923c }
  .median { stroke: #93c5fd }
  text.worst { fill: #fb923c }
  text.median { fill: #93c5fd }
}
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic axis: what it begins and ends with, and where that stands."""

    first: float
    last: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return where a value stands."""
        share = (log10(value) - log10(self.first)) / (log10(self.last) - log10(self.first))
        return self.start + share * (self.end - self.start)


def drawing(
    times: Mapping[str, Sequence[float]],
    medians: Sequence[float],
    sizes: Sequence[int],
    *,
    labelled: Sequence[str],
) -> str:
    """Return the SVG: seconds by size, the queries of some names labelled, the median of all drawn strongest."""
    every = [seconds * 1e3 for each in times.values() for seconds in each]
    across = Scale(sizes[0], sizes[-1], LEFT, WIDTH - RIGHT)
    up = Scale(10 ** floor(log10(min(every))), 10 ** ceil(log10(max(every))), HEIGHT - BOTTOM, TOP)
    lines = [*_grid(across, up, sizes)]
    for name, seconds in times.items():
        kind = "worst" if name in labelled else "query"
        lines.append(_line(kind, name, sizes, seconds, across, up))
    lines.append(_line("median", "median of the queries", sizes, medians, across, up))
    lines += _labels([*labelled], times, medians, up)
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n'
        f"<title>Milliseconds of each query by the number of resources</title>\n"
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def _grid(across: Scale, up: Scale, sizes: Sequence[int]) -> Iterator[str]:
    yield _text(LEFT, 28, "p50 in milliseconds, by the number of resources", "title")
    for power in range(round(log10(up.first)), round(log10(up.last)) + 1):
        y = up.at(10**power)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield _text(LEFT - 8, y + 4, f"{10.0**power:g}", anchor="end")
    for size in sizes:
        x = across.at(size)
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        yield _text(x, HEIGHT - BOTTOM + 20, f"{size:,}", anchor="middle")


def _line(  # noqa: PLR0913, PLR0917 - what is drawn, and where
    kind: str, name: str, sizes: Sequence[int], seconds: Sequence[float], across: Scale, up: Scale
) -> str:
    points = " ".join(
        f"{across.at(size):.1f},{up.at(each * 1e3):.1f}"
        for size, each in zip(sizes, seconds, strict=True)
    )
    ratio = f"{name}: {seconds[-1] / seconds[0]:.1f} times"
    return f'<polyline class="{kind}" points="{points}"><title>{escape(ratio)}</title></polyline>'


def _labels(
    names: Sequence[str],
    times: Mapping[str, Sequence[float]],
    medians: Sequence[float],
    up: Scale,
) -> Iterator[str]:
    """Yield the names beside the ends of their lines, moved down where two would cover each other."""
    ends = [(times[name], name, "worst") for name in names]
    ends.append((medians, "median of the queries", "median"))
    lowest = 0.0
    for seconds, name, kind in sorted(ends, key=lambda each: -each[0][-1]):
        lowest = max(up.at(seconds[-1] * 1e3) + 4, lowest + APART)
        said = f"{name}, {seconds[-1] / seconds[0]:.1f} times"
        yield _text(WIDTH - RIGHT + 8, lowest, said, kind)


def _text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
    )
