"""Places within places, searched: https://hl7.org/fhir/R4/search.html#recursive."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.errors import MultipleMatches
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete
from fhir_server.interactions.search import search
from tests.interactions.builders import ADA, a_patient, put, seeing_only, seeing_types
from tests.interactions.test_search import NOW, assert_found, ids, searched


def to(reference: str) -> Resource:
    return {"reference": reference}


def a_place(resource_id: str, whole: str | None = None, **more: Any) -> Resource:
    place: Resource = {"resourceType": "Location", "id": resource_id, "status": "active"}
    return place | more | ({} if whole is None else {"partOf": to(f"Location/{whole}")})


def a_stay(resource_id: str, place: str, **more: Any) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": resource_id,
        "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": to("Patient/ada"),
        "location": [{"location": to(f"Location/{place}")}],
    } | more


@pytest.fixture
async def hospital(call: Call) -> Call:
    """A hospital with a ward of two beds, another ward, and a clinic elsewhere."""
    for name, whole in (("hospital", None), ("ward", "hospital"), ("other", "hospital")):
        await put(call, a_place(name, whole))
    for name, whole, status in (
        ("bed-1", "ward", "U"),
        ("bed-2", "ward", "O"),
        ("bed-3", "other", "U"),
    ):
        await put(call, a_place(name, whole, operationalStatus={"code": status}))
    await put(call, a_place("clinic", operationalStatus={"code": "U"}))
    await put(call, a_patient(resource_id="ada"))
    await put(call, a_stay("in-bed", "bed-2"))
    await put(call, a_stay("on-ward", "ward"))
    await put(call, a_stay("elsewhere", "clinic"))
    await put(call, a_stay("nowhere", "unknown"))
    actor = [to("Location/other")]
    await put(call, {"resourceType": "Schedule", "id": "theatre", "actor": actor})
    slot = {"schedule": to("Schedule/theatre"), "status": "free"}
    times = {"start": "2026-11-23T09:00:00Z", "end": "2026-11-23T10:00:00Z"}
    await put(call, {"resourceType": "Slot", "id": "slot", **slot, **times})
    return call


FOUND = [
    ("Location", "partof:below=hospital", {"ward", "other", "bed-1", "bed-2", "bed-3"}),
    ("Location", "partof:below=Location/hospital&operational-status=U", {"bed-1", "bed-3"}),
    ("Location", "partof:below=ward,other&operational-status=U", {"bed-1", "bed-3"}),
    ("Location", "partof:below=bed-1", set()),
    ("Location", "partof:below=nowhere", set()),
    ("Location", "partof:above=bed-1", {"ward", "other", "bed-1", "bed-2"}),
    ("Encounter", "location:below=hospital", {"in-bed", "on-ward"}),
    ("Encounter", "location:below=ward,clinic", {"in-bed", "on-ward", "elsewhere"}),
    ("Encounter", "location:below=hospital&status=finished", set()),
    ("Encounter", "location:below=unknown", {"nowhere"}),
    ("Encounter", "location:above=bed-2", {"in-bed", "on-ward"}),
    ("Encounter", "location:Location.partof:below=hospital", {"in-bed", "on-ward"}),
    ("Encounter", "location.partof:below=ward", {"in-bed"}),
    ("Slot", "schedule.actor:below=Location/hospital", {"slot"}),
    ("Slot", "schedule.actor:Location.partof:below=hospital&status=free", {"slot"}),
    ("Slot", "schedule.actor:Location.partof:below=ward", set()),
    ("Patient", "_has:Encounter:patient:location:below=hospital", {"ada"}),
    ("Patient", "_has:Encounter:patient:location:below=other", set()),
]


@pytest.mark.parametrize(("kind", "query", "expected"), FOUND)
async def test_what_is_part_of_a_place_is_found_with_it(
    hospital: Call, kind: str, query: str, expected: set[str]
) -> None:
    await assert_found(hospital, kind, query, expected)


async def test_what_is_hidden_leads_no_further(hospital: Call) -> None:
    blind = seeing_types(hospital, "Encounter", "Slot", "Schedule")
    query = "location:below=hospital"

    assert ids(await searched(blind, "Encounter", query)) == set()
    assert (await searched(blind, "Encounter", f"{query}&_summary=count")).total == 0
    assert ids(await searched(blind, "Encounter", "location:below=ward")) == {"on-ward"}
    assert ids(await searched(seeing_only(hospital, "ada"), "Encounter", query)) == set()


async def test_what_is_deleted_leads_no_further(hospital: Call) -> None:
    await delete(hospital, Key("Location", "ward"))

    assert ids(await searched(hospital, "Encounter", "location:below=hospital")) == set()
    assert ids(await searched(hospital, "Location", "partof:below=ward")) == {"bed-1", "bed-2"}


async def test_a_place_that_moves_is_found_where_it_is(hospital: Call) -> None:
    await put(hospital, a_place("ward", "clinic"))

    assert ids(await searched(hospital, "Encounter", "location:below=hospital")) == set()
    assert ids(await searched(hospital, "Location", "partof:below=clinic")) == {
        "ward",
        "bed-1",
        "bed-2",
    }


async def test_places_in_a_circle_are_all_found_once(hospital: Call) -> None:
    await put(hospital, a_place("hospital", "bed-3"))

    found = await searched(hospital, "Location", "partof:below=other&_sort=_id")

    assert [row.stored.key.id for row in found.rows] == [
        "bed-1",
        "bed-2",
        "bed-3",
        "hospital",
        "other",
        "ward",
    ]


async def test_a_compartment_may_be_searched_by_places(hospital: Call) -> None:
    pairs = [("location:below", "hospital")]

    found = await search(hospital, "Encounter", pairs, after=None, now=NOW, owner=ADA)

    assert ids(found) == {"in-bed", "on-ward"}


async def test_the_criteria_of_a_conditional_create_may_be_a_hierarchy(hospital: Call) -> None:
    again = a_stay("new", "bed-1")

    with pytest.raises(MultipleMatches):
        await create(hospital, "Encounter", again, if_none_exist="location:below=hospital")
