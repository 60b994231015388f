"""A small picture of how long each look at a member took, as SVG: https://www.w3.org/TR/SVG2/. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.federation.health import Look

_WIDTH, _HEIGHT, _EDGE = 208, 42, 5


def sparkline(looks: Sequence[Look]) -> str:
    """Return the picture: the line of those that went well, a stroke where one did not; and all of it in words."""
    step = (_WIDTH - 2 * _EDGE) / max(1, len(looks) - 1)
    highest = max([each.milliseconds for each in looks if each.state == "ok"], default=0) or 1
    points, faults = [], []
    for number, each in enumerate(looks):
        x = _EDGE + number * step
        if each.state == "ok":
            y = _HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * each.milliseconds / highest
            points.append(f"{x:.1f},{y:.1f}")
        else:
            faults.append(f"M{x:.1f} {_EDGE}V{_HEIGHT - _EDGE}")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{_said(looks)}">'
        f'<path class="floor" d="M0 {_HEIGHT - 2}H{_WIDTH}"/>'
        f"{_line(points)}"
        f'<path class="fault" d="{"".join(faults)}"/></svg>'
    )


def median(values: Sequence[int]) -> int | None:
    """Return the middle one of some values; None where there are none."""
    return sorted(values)[len(values) // 2] if values else None


def _line(points: Sequence[str]) -> str:
    if not points:
        return ""
    x, _, y = points[-1].partition(",")
    line = f'<polyline class="trace" points="{" ".join(points)}"/>' if len(points) > 1 else ""
    return f'{line}<circle class="dot" cx="{x}" cy="{y}" r="2.5"/>'


def _said(looks: Sequence[Look]) -> str:
    if not looks:
        return "It was not asked yet."
    well = [each.milliseconds for each in looks if each.state == "ok"]
    took = f" {median(well)} milliseconds in the middle, {max(well)} at most;" if well else ""
    failed = len(looks) - len(well)
    return f"The last {len(looks)} times that it was asked:{took} {failed} failed."
