"""Tests of the search interaction: pages, totals and what it tells; what matches is tested with search."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from fhir_server.fhir.errors import BadRequest, NotFound
from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.search import Found, search
from fhir_server.storage.contract import Store
from fhir_server.storage.pages import Count
from tests.interactions.builders import (
    a_patient,
    an_observation,
    put,
    seeing_only,
    seeing_types,
)

NOW = 1_800_000_000_000_000


async def searched(call: Call, resource_type: str | None, query: str = "") -> Found:
    """Return the first page of a search, its query written as `a=b&c=d`."""
    pairs = [(name, value) for name, _, value in (each.partition("=") for each in query.split("&"))]
    return await search(call, resource_type, pairs if query else [], after=None, now=NOW)


def ids(found: Found) -> set[str]:
    """Return the ids of the matches."""
    return {row.stored.key.id for row in found.rows}


async def assert_found(call: Call, kind: str | None, query: str, expected: set[str]) -> None:
    """See that a search finds these ids, and counts as many."""
    assert ids(await searched(call, kind, query)) == expected
    assert (await searched(call, kind, f"{query}&_summary=count")).total == len(expected)


async def test_an_unknown_type_is_not_found(call: Call) -> None:
    with pytest.raises(NotFound, match="did you mean Patient"):
        await searched(call, "Patients")


@pytest.mark.parametrize("query", ["nonsense=1", "gender", "_include=Patient:nonsense"])
async def test_a_query_that_cannot_be_understood_is_refused(call: Call, query: str) -> None:
    with pytest.raises(BadRequest):
        await searched(call, "Patient", query)


async def test_a_lenient_search_leaves_unknown_parameters_out_and_says_so(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    found = await searched(replace(call, lenient=True), "Patient", "nonsense=1")

    assert ids(found) == {"ada"}
    assert [each.severity for each in found.issues] == ["warning"]
    assert "nonsense" in found.issues[0].diagnostics


async def test_what_is_hidden_is_neither_found_nor_counted(call: Call) -> None:
    await put(call, an_observation("Patient/ada", id="hers"))
    await put(call, an_observation("Patient/grace", id="another"))

    found = await searched(seeing_only(call, "grace"), "Observation", "_total=accurate")

    assert (ids(found), found.total) == ({"another"}, 1)


async def test_a_type_that_may_not_be_seen_is_empty(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    found = await searched(seeing_types(call, "Observation"), "Patient")

    assert (found.rows, found.total) == ((), 0)


async def test_a_search_finds_what_matches(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    await put(call, a_patient(resource_id="grace", family="Hopper"))

    assert ids(await searched(call, "Patient", "family=love")) == {"ada"}


async def test_pages_follow_each_other_and_their_total_is_not_known(call: Call) -> None:
    for number in range(5):
        await put(call, a_patient(resource_id=f"p{number}"))

    first = await searched(call, "Patient", "_count=3")
    second = await search(call, "Patient", [("_count", "3")], after=first.next, now=NOW)

    assert first.next is not None
    assert second.next is None
    assert (first.total, second.total) == (None, None)
    assert ids(first) | ids(second) == {f"p{number}" for number in range(5)}


async def test_a_page_that_is_the_whole_answer_has_its_total(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    found = await searched(call, "Patient")

    assert (found.total, found.total_exact) == (1, True)


async def test_an_accurate_total_is_counted(call: Call) -> None:
    for number in range(5):
        await put(call, a_patient(resource_id=f"p{number}"))

    found = await searched(call, "Patient", "_count=2&_total=accurate")

    assert (len(found.rows), found.total, found.total_exact) == (2, 5, True)


async def test_a_total_that_costs_too_much_is_told_as_a_lower_bound(call: Call) -> None:
    class Costly:
        """A store that gives up counting."""

        def __getattr__(self, name: str) -> Any:
            return getattr(call.store, name)

        async def count(self, *_: object) -> Count:
            """Give up at once."""
            return Count(1, exact=False)

    for number in range(3):
        await put(call, a_patient(resource_id=f"p{number}"))

    found = await searched(
        replace(call, store=cast("Store", Costly())), "Patient", "_count=1&_total=accurate"
    )

    assert (found.total, found.total_exact) == (1, False)
    assert ["at least 1" in each.diagnostics for each in found.issues] == [True]


@pytest.mark.parametrize("query", ["_count=0", "_summary=count"])
async def test_a_search_may_only_count(call: Call, query: str) -> None:
    await put(call, a_patient(resource_id="ada"))

    found = await searched(call, "Patient", query)

    assert (found.rows, found.total, found.next) == ((), 1, None)


async def test_a_search_of_several_types(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    await put(call, an_observation(id="pulse"))

    assert ids(await searched(call, None, "_type=Patient,Observation")) == {"ada", "pulse"}


async def test_a_compartment_holds_no_more_than_the_caller_may_see(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    await put(call, an_observation("Patient/ada", id="hers"))
    await put(
        call, an_observation("Patient/grace", id="both", performer=[{"reference": "Patient/ada"}])
    )
    ada, grace = Key("Patient", "ada"), Key("Patient", "grace")

    async def inside(caller: Call, owner: Key) -> set[str]:
        return ids(await search(caller, None, [], after=None, now=NOW, owner=owner))

    assert await inside(seeing_only(call, "grace"), ada) == {"both"}
    assert await inside(seeing_only(call, "nobody"), ada) == set()
    assert await inside(seeing_types(call, "Observation"), ada) == {"hers", "both"}
    assert await inside(call, ada) == await inside(seeing_only(call, "ada"), ada)
    assert await inside(call, grace) == {"both"}
