"""Tests of `_include` and `_revinclude`."""

from __future__ import annotations

import pytest

from fhir_server.interactions.call import Call
from fhir_server.interactions.including import follow
from fhir_server.interactions.search import search
from fhir_server.search.expression import Include, Plan
from fhir_server.storage.pages import Row
from tests.interactions.builders import a_patient, an_observation, put, seeing_only, seeing_types


async def included(call: Call, resource_type: str, query: str) -> list[str]:
    """Return the addresses that a search includes."""
    pairs = [(name, value) for name, _, value in (each.partition("=") for each in query.split("&"))]
    found = await search(call, resource_type, pairs, after=None, now=0)
    return [str(row.stored.key) for row in found.included]


async def rows(call: Call, resource_type: str) -> tuple[Row, ...]:
    """Return all resources of a type."""
    page = await call.store.search(call.sight, Plan(frozenset({resource_type})), None, 1000)
    return page.rows


async def organizations(call: Call, count: int) -> None:
    """Write a chain of organisations: org-1 is part of org-0, and so on."""
    for number in range(count):
        part_of = {"partOf": {"reference": f"Organization/org-{number - 1}"}} if number else {}
        await put(
            call,
            {
                "resourceType": "Organization",
                "id": f"org-{number}",
                "name": f"Organisation {number}",
                **part_of,
            },
        )


@pytest.fixture
async def ward(call: Call) -> Call:
    """Hold two patients, the general practice of one, and three observations."""
    await organizations(call, 1)
    practice = [{"reference": "Organization/org-0"}]
    await put(call, a_patient(resource_id="ada", generalPractitioner=practice))
    await put(call, a_patient(resource_id="grace"))
    await put(call, an_observation("Patient/ada", id="one"))
    await put(
        call,
        an_observation("Patient/ada", id="two", performer=[{"reference": "Organization/org-0"}]),
    )
    await put(call, an_observation("Patient/nobody", id="three"))
    return call


async def test_what_is_hidden_is_not_included(ward: Call) -> None:
    observations_only = seeing_types(ward, "Observation")
    grace = seeing_only(ward, "grace")

    assert await included(observations_only, "Observation", "_include=Observation:subject") == []
    assert await included(grace, "Patient", "_revinclude=Observation:subject") == []


@pytest.mark.parametrize(
    ("kind", "query", "expected"),
    [
        ("Observation", "_include=Observation:subject", ["Patient/ada"]),
        ("Observation", "_include=Observation:subject:Patient", ["Patient/ada"]),
        ("Observation", "_include=Observation:subject:Group", []),
        ("Observation", "_include=Observation:performer", ["Organization/org-0"]),
        ("Observation", "_include=Observation:*", ["Organization/org-0", "Patient/ada"]),
        ("Observation", "_include=*", ["Organization/org-0", "Patient/ada"]),
        ("Observation", "_id=three&_include=Observation:subject", []),
        ("Patient", "_revinclude=Observation:subject", ["Observation/one", "Observation/two"]),
        (
            "Patient",
            "_revinclude=Observation:subject&_revinclude=Observation:patient",
            ["Observation/one", "Observation/two"],
        ),
        ("Patient", "_id=grace&_revinclude=Observation:subject", []),
        ("Organization", "_revinclude=Observation:performer", ["Observation/two"]),
        ("Organization", "_revinclude=Observation:*", ["Observation/two"]),
        ("Patient", "_revinclude=*", ["Observation/one", "Observation/two"]),
        ("Patient", "_id=grace&_revinclude=*", []),
        ("Organization", "_revinclude=*", ["Observation/two", "Patient/ada"]),
        (
            "Patient",
            "_revinclude=Observation:subject&_include=Patient:general-practitioner",
            ["Observation/one", "Observation/two", "Organization/org-0"],
        ),
    ],
)
async def test_includes_follow_references_both_ways(
    ward: Call, kind: str, query: str, expected: list[str]
) -> None:
    assert sorted(await included(ward, kind, query)) == expected


async def test_an_include_of_included_resources_needs_iterate(ward: Call) -> None:
    once = [Include("Observation", "subject"), Include("Patient", "general-practitioner")]
    iterating = "_id=one&_include=Observation:subject&_include:iterate=Patient:general-practitioner"
    matches = [row for row in await rows(ward, "Observation") if row.stored.key.id == "one"]

    found = await follow(ward, once, [], matches)

    assert [str(row.stored.key) for row in found.rows] == ["Patient/ada"]
    assert await included(ward, "Observation", iterating) == ["Patient/ada", "Organization/org-0"]


async def test_a_match_is_not_included_again(call: Call) -> None:
    await organizations(call, 3)

    assert await included(call, "Organization", "_include=Organization:partof") == []


async def test_a_circle_of_references_ends(call: Call) -> None:
    for name, other in (("ada", "grace"), ("grace", "ada")):
        link = [{"other": {"reference": f"Patient/{other}"}, "type": "seealso"}]
        await put(call, a_patient(resource_id=name, link=link))

    assert await included(call, "Patient", "_id=ada&_include:iterate=Patient:link") == [
        "Patient/grace"
    ]


async def test_includes_end_after_five_steps_and_say_so(call: Call) -> None:
    await organizations(call, 9)
    matches = [row for row in await rows(call, "Organization") if row.stored.key.id == "org-8"]

    found = await follow(call, [Include("Organization", "partof", iterate=True)], [], matches)

    assert [row.stored.key.id for row in found.rows] == [f"org-{n}" for n in (7, 6, 5, 4, 3)]
    assert ["5 steps" in each.diagnostics for each in found.issues] == [True]


async def test_a_chain_that_ends_in_time_is_told_without_a_warning(call: Call) -> None:
    await organizations(call, 4)
    matches = [row for row in await rows(call, "Organization") if row.stored.key.id == "org-3"]

    found = await follow(call, [Include("Organization", "partof", iterate=True)], [], matches)

    assert (len(found.rows), found.issues) == (3, ())


async def test_more_than_may_be_included_is_cut_off_and_told(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    for number in range(6):
        await put(call, an_observation(id=f"o{number}"))

    found = await follow(
        call, [], [Include("Observation", "subject")], await rows(call, "Patient"), most=4
    )

    assert len(found.rows) == 4
    assert ["first 4" in each.diagnostics for each in found.issues] == [True]


async def test_exactly_as_many_as_may_be_included_are_no_cut(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    for number in range(4):
        await put(call, an_observation(id=f"o{number}"))

    found = await follow(
        call, [], [Include("Observation", "subject")], await rows(call, "Patient"), most=4
    )

    assert (len(found.rows), found.issues) == (4, ())


async def test_includes_beyond_one_batch_are_complete(call: Call) -> None:
    entries = [an_observation(f"Patient/p{number}", id=f"o{number}") for number in range(230)]
    for number, observation in enumerate(entries):
        await put(call, a_patient(resource_id=f"p{number}"))
        await put(call, observation)

    forward = await follow(
        call, [Include("Observation", "subject")], [], await rows(call, "Observation")
    )
    backward = await follow(
        call, [], [Include("Observation", "subject")], await rows(call, "Patient")
    )

    assert len(forward.rows) == len(backward.rows) == 230


async def test_all_that_refer_to_one_match_are_included(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    for number in range(230):
        await put(call, an_observation(id=f"o{number}"))

    found = await follow(call, [], [Include("Observation", "subject")], await rows(call, "Patient"))

    assert len(found.rows) == 230
    assert found.issues == ()
