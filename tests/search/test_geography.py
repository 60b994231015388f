"""Distances and cells: no place within a circle lies outside of the cells that cover it."""

from __future__ import annotations

from decimal import Decimal
from math import asin, atan2, cos, degrees, pi, radians, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.geography import MEAN_RADIUS, MOST_CELLS, cells, covering, distance
from fhir_server.search.matching import matches
from tests.search.cases import a
from tests.search.support import UPDATED, query_of, record_of

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)
METRES = st.one_of(st.floats(0, 5_000), st.floats(0, 400_000), st.floats(0, 2e7))
SHIFTS = st.one_of(st.floats(-0.1, 0.1), st.floats(-5, 5), st.floats(-180, 180))


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0, 0), (0, 0), 0),
        ((0, 0), (0, 180), pi * MEAN_RADIUS),
        ((90, 0), (-90, 77), pi * MEAN_RADIUS),
        ((0, 179), (0, -179), 2 * pi * MEAN_RADIUS / 180),
        # London to Edinburgh: 534.3 km on the ellipsoid.
        ((51.5074, -0.1278), (55.9533, -3.1883), 534_000),
    ],
)
def test_distances_are_known(
    one: tuple[float, float], other: tuple[float, float], metres: float
) -> None:
    assert distance(*one, *other) == pytest.approx(metres, rel=0.006)
    assert distance(*other, *one) == pytest.approx(distance(*one, *other))


@given(LATITUDES, LONGITUDES, METRES, SHIFTS, SHIFTS)
def test_no_place_within_the_distance_is_missed_by_the_cells(
    latitude: float, longitude: float, metres: float, north: float, east: float
) -> None:
    other = (
        max(-90.0, min(90.0, latitude + north)),
        (longitude + east + 540) % 360 - 180,
    )
    covered = covering(latitude, longitude, metres)

    if covered is not None and distance(latitude, longitude, *other) <= metres:
        assert not set(covered).isdisjoint(cells(*other))


@given(LATITUDES, LONGITUDES, st.floats(0, 360), METRES, st.floats(0, 1))
def test_no_place_on_the_way_to_the_edge_is_missed_by_the_cells(
    latitude: float, longitude: float, bearing: float, metres: float, part: float
) -> None:
    other = towards(latitude, longitude, bearing, metres * part)
    covered = covering(latitude, longitude, metres)

    if covered is not None and distance(latitude, longitude, *other) <= metres:
        assert not set(covered).isdisjoint(cells(*other))


def towards(
    latitude: float, longitude: float, bearing: float, metres: float
) -> tuple[float, float]:
    """Return the place that lies so far in this direction."""
    way, north, course = metres / MEAN_RADIUS, radians(latitude), radians(bearing)
    reached = asin(max(-1, min(1, sin(north) * cos(way) + cos(north) * sin(way) * cos(course))))
    east = atan2(sin(course) * sin(way) * cos(north), cos(way) - sin(north) * sin(reached))
    return degrees(reached), (longitude + degrees(east) + 540) % 360 - 180


@given(LATITUDES, LONGITUDES, METRES)
def test_few_cells_cover_a_circle_where_any_do(
    latitude: float, longitude: float, metres: float
) -> None:
    covered = covering(latitude, longitude, metres)

    assert covered is None or 1 <= len(covered) <= MOST_CELLS
    assert covered is None or len(set(covered)) == len(covered)


@given(st.floats(-60, 60), LONGITUDES, st.floats(0, 100_000))
def test_a_circle_in_the_inhabited_world_is_covered(
    latitude: float, longitude: float, metres: float
) -> None:
    assert covering(latitude, longitude, metres) is not None


places = st.tuples(
    st.decimals(53, 55, places=4), st.one_of(st.decimals(-3, 1, places=4), st.just(Decimal(180)))
)


@given(places, places, st.integers(0, 200))
def test_what_the_index_says_is_what_the_distance_says(
    place: tuple[Decimal, Decimal], here: tuple[Decimal, Decimal], kilometres: int
) -> None:
    position = {"latitude": place[0], "longitude": place[1]}
    query = query_of("Location", f"near={here[0]}|{here[1]}|{kilometres}|km")

    found = matches(
        query.plan.predicate, record_of(a("Location", position=position)), updated=UPDATED
    )

    apart = distance(*map(float, here), *map(float, place))
    assert found == (apart <= kilometres * 1000)
