"""Places nearby over stored locations: the cells find what the distances say."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fhir_server.interactions.call import Call
from fhir_server.search.geography import distance
from tests.interactions.builders import put, seeing_types
from tests.interactions.test_chaining import a
from tests.interactions.test_search import ids, searched

PLACES = {
    f"p{number}": (Decimal(north), Decimal(east))
    for number, (north, east) in enumerate(
        [
            *((f"{54 + 0.013 * n:.3f}", f"{-1.9 + 0.017 * n:.3f}") for n in range(40)),
            *(("0", "179.99"), ("0", "-179.99"), ("0", "180"), ("89.99", "0"), ("89.99", "180")),
        ]
    )
}
CIRCLES = [
    *((54.1, -1.8, metres) for metres in (0, 1_000, 5_000, 12_000, 40_000, 200_000)),
    *((0, 180, 5_000), (0, -179.995, 1_200), (90, 33, 2_000), (-90, 0, 30_000_000)),
]


async def fill(call: Call) -> None:
    for name, (north, east) in PLACES.items():
        position = {"latitude": north, "longitude": east}
        await put(call, a("Location", name, status="active", position=position))
    await put(call, a("Location", "nowhere", status="active"))


@pytest.mark.parametrize(("north", "east", "metres"), CIRCLES)
async def test_near_finds_what_the_distance_says(
    call: Call, north: float, east: float, metres: int
) -> None:
    await fill(call)
    expected = {
        name
        for name, place in PLACES.items()
        if distance(north, east, *map(float, place)) <= metres
    }

    found = await searched(call, "Location", f"near={north}|{east}|{metres}|m&_count=100")

    assert ids(found) == expected
    counted = await searched(call, "Location", f"near={north}|{east}|{metres}|m&_summary=count")
    assert counted.total == len(expected)


async def test_near_may_end_a_chain_and_finds_nothing_that_is_hidden(call: Call) -> None:
    await fill(call)
    role = {"location": [{"reference": "Location/p3"}]}
    await put(call, a("PractitionerRole", "near", **role))

    query = "location.near=54.039|-1.849|1|km"

    assert ids(await searched(call, "PractitionerRole", query)) == {"near"}
    blind = seeing_types(call, "PractitionerRole")
    assert ids(await searched(blind, "PractitionerRole", query)) == set()
