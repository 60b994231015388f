"""Places on the earth: how far they are from each other, and the cells of the grid that they lie in. Pure.

Distances are along great circles of a sphere with the mean radius of WGS84: they are within 0.6 % of those on its
ellipsoid. A cell is a part of a degree of latitude by the same part of a degree of longitude.
"""

from __future__ import annotations

from math import asin, cos, degrees, floor, radians, sin, sqrt

MEAN_RADIUS = 6_371_008.8
"""Of the earth, in metres."""

LEVELS = (64, 8, 1)
"""How many cells there are to a degree, the finest grid first: they are 1.7, 14 and 111 km high."""

MOST_CELLS = 32
"""How many cells cover a circle at most; a wider one is covered by none."""

_RIGHT_ANGLE = 90
_FULL_CIRCLE = 360
_MARGIN = 1e-9
"""Degrees by which a circle is widened, so that no rounding leaves a cell out: a tenth of a millimetre."""
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


def cells(latitude: float, longitude: float) -> list[str]:
    """Return the cells of a place, one of each grid."""
    return [_name(each, _steps(latitude, each), _steps(longitude, each)) for each in LEVELS]


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
        if len(rows) * len(columns) <= MOST_CELLS:
            return [_name(level, row, column) for row in rows for column in columns]
    return None


def _reach(middle: float, margin: float, level: int) -> range:
    return range(_steps(middle - margin, level), _steps(middle + margin, level) + 1)


def _steps(angle: float, level: int) -> int:
    """Return how many cells there are from zero to an angle in degrees."""
    return floor(angle * level)


def _name(level: int, row: int, column: int) -> str:
    """Return the name of a cell; the columns meet again behind the antimeridian."""
    return f"{level}.{row}.{column % (_FULL_CIRCLE * level)}"
