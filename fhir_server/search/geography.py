"""Places on the earth: how far they are from each other, and the cells of the grid that they lie in. Pure.

Distances are along great circles of a sphere with the mean radius of WGS84: they are within 0.6 % of those on its
ellipsoid. A cell is a part of a degree of latitude by the same part of a degree of longitude.
"""

from __future__ import annotations

from math import asin, atan2, cos, degrees, floor, radians, sin, sqrt
from typing import NamedTuple

MEAN_RADIUS = 6_371_008.8
"""Of the earth, in metres."""

LEVELS = (64, 8, 1)
"""How many cells there are to a degree, the finest grid first: they are 1.7, 14 and 111 km high."""

MOST_CELLS = 32
"""How many cells cover a circle at most; a wider one is covered by none."""

_MOST_TRIED = 2 * MOST_CELLS
"""How many cells around a circle are looked at, of which those in the corners drop out."""

_RIGHT_ANGLE = 90
_FULL_CIRCLE = 360
_MARGIN = 1e-9
"""Degrees by which a circle is widened, so that no rounding leaves a cell out: a tenth of a millimetre."""
_SLACK = 1e-3
"""Metres by which a cell may seem too far away."""
_NEAR_POLE = 1e-3
"""Degrees from a pole within which a circle counts as holding it."""


def distance(
    latitude: float, longitude: float, other_latitude: float, other_longitude: float
) -> float:
    """Return how many metres two places are apart."""
    one, other = radians(latitude), radians(other_latitude)
    across = sin((other - one) / 2) ** 2
    along = sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * MEAN_RADIUS * asin(min(1.0, sqrt(across + cos(one) * cos(other) * along)))


class _Cell(NamedTuple):
    """A cell of one grid: so many cells to the north and east of zero."""

    level: int
    row: int
    column: int

    @property
    def name(self) -> str:
        """Its name, which is the same after a way around the earth."""
        return f"{self.level}.{self.row}.{self.column % (_FULL_CIRCLE * self.level)}"

    def metres_from(self, latitude: float, longitude: float) -> float:
        """Return how far its nearest place is, seen from less than a right angle to the east or west."""
        west, south = self.column / self.level, self.row / self.level
        aside = max(west - longitude, 0, longitude - west - 1 / self.level)
        north = radians(latitude)
        # Where the great circle from here meets its nearer side at a right angle.
        foot = degrees(atan2(sin(north), cos(north) * cos(radians(aside))))
        return distance(latitude, 0, min(max(foot, south), south + 1 / self.level), aside)


def cells(latitude: float, longitude: float) -> list[str]:
    """Return the cells of a place, one of each grid."""
    return [_Cell(each, _steps(latitude, each), _steps(longitude, each)).name for each in LEVELS]


def covering(latitude: float, longitude: float, metres: float) -> list[str] | None:
    """Return the few cells that hold all places of a circle, of the finest grid that needs few.

    None for a circle that is too wide, or holds a pole.
    """
    angle = metres / MEAN_RADIUS
    height = degrees(angle) + _MARGIN
    if abs(latitude) + height > _RIGHT_ANGLE - _NEAR_POLE:
        return None
    width = degrees(asin(min(1.0, sin(angle) / cos(radians(latitude))))) + _MARGIN
    for level in LEVELS:
        rows, columns = _reach(latitude, height, level), _reach(longitude, width, level)
        if len(rows) * len(columns) > _MOST_TRIED:
            continue
        tried = (_Cell(level, row, column) for row in rows for column in columns)
        limit = metres + _SLACK
        found = [each.name for each in tried if each.metres_from(latitude, longitude) <= limit]
        if len(found) <= MOST_CELLS:
            return found
    return None


def _reach(middle: float, margin: float, level: int) -> range:
    return range(_steps(middle - margin, level), _steps(middle + margin, level) + 1)


def _steps(angle: float, level: int) -> int:
    """Return how many cells there are from zero to an angle in degrees."""
    return floor(angle * level)
