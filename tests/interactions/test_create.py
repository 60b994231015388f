"""Tests of the create interaction."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from fhir_server.fhir.errors import (
    BadRequest,
    Forbidden,
    InvalidResource,
    MultipleMatches,
    NotFound,
    VersionConflict,
)
from fhir_server.interactions.call import Call
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete
from fhir_server.interactions.search import search
from tests.interactions.builders import (
    NHS_NUMBER,
    a_patient,
    an_observation,
    body,
    post,
    put,
    seeing_only,
)

SAME_NUMBER = f"identifier={NHS_NUMBER}|9000000009"


async def test_an_unknown_type_is_not_found(call: Call) -> None:
    with pytest.raises(NotFound, match="did you mean Patient"):
        await create(call, "Patints", a_patient())


async def test_a_body_of_another_type_is_refused(call: Call) -> None:
    with pytest.raises(BadRequest, match="asks for the type Observation"):
        await create(call, "Observation", a_patient())


async def test_an_invalid_resource_is_not_written(call: Call) -> None:
    with pytest.raises(InvalidResource):
        await create(call, "Patient", a_patient(gender=7))

    assert (await search(call, "Patient", [], after=None, now=0)).total == 0


async def test_an_id_that_is_taken_is_never_overwritten(call: Call) -> None:
    await put(call, a_patient(resource_id="taken", family="First"))

    with pytest.raises(VersionConflict):
        await post(replace(call, new_id=lambda: "taken"), a_patient(family="Second"))


@pytest.mark.parametrize("criteria", ["", "?", "nonsense=1", "identifer=1", "_count=1", "gender="])
async def test_criteria_that_cannot_be_searched_are_refused(call: Call, criteria: str) -> None:
    with pytest.raises(BadRequest):
        await create(call, "Patient", a_patient(), if_none_exist=criteria)


async def test_criteria_with_several_matches_are_refused(call: Call) -> None:
    await put(call, a_patient(resource_id="one", number="9000000009"))
    await put(call, a_patient(resource_id="two", number="9000000009"))

    with pytest.raises(MultipleMatches, match="Patient/one") as refused:
        await create(call, "Patient", a_patient(), if_none_exist=SAME_NUMBER)

    assert "Patient/two" in str(refused.value)
    assert refused.value.status == 412


async def test_a_caller_who_sees_one_patient_creates_nothing_elsewhere(call: Call) -> None:
    with pytest.raises(Forbidden):
        await post(seeing_only(call, "grace"), an_observation("Patient/ada"))


async def test_a_new_resource_gets_a_new_id_whatever_it_says(call: Call) -> None:
    saved = await post(call, a_patient(resource_id="not_even_an_id"))

    assert str(saved.stored.key) == "Patient/new-1"
    assert body(saved.stored)["id"] == "new-1"
    assert (saved.stored.version, saved.stored.method) == (1, "POST")
    assert (saved.created, saved.changed) == (True, True)


async def test_without_a_match_a_conditional_create_creates(call: Call) -> None:
    saved = await create(call, "Patient", a_patient(), if_none_exist=SAME_NUMBER)

    assert saved.created


@pytest.mark.parametrize("form", ["{}", "?{}", "Patient?{}"])
async def test_with_a_match_nothing_is_written_and_the_match_returned(
    call: Call, form: str
) -> None:
    there = await put(call, a_patient(resource_id="ada", number="9000000009"))

    saved = await create(call, "Patient", a_patient(), if_none_exist=form.format(SAME_NUMBER))

    assert (saved.created, saved.changed) == (False, False)
    assert saved.stored == there.stored


async def test_with_a_match_the_body_is_not_looked_at(call: Call) -> None:
    await put(call, a_patient(resource_id="ada", number="9000000009"))

    saved = await create(call, "Patient", a_patient(gender=7), if_none_exist=SAME_NUMBER)

    assert saved.stored.key.id == "ada"


async def test_a_deleted_resource_is_no_match(call: Call) -> None:
    there = await put(call, a_patient(resource_id="ada", number="9000000009"))
    await delete(call, there.stored.key)

    saved = await create(call, "Patient", a_patient(), if_none_exist=SAME_NUMBER)

    assert saved.created


async def test_a_hidden_resource_is_no_match(call: Call) -> None:
    await put(call, an_observation("Patient/ada", id="hers"))

    saved = await create(
        seeing_only(call, "grace"),
        "Observation",
        an_observation("Patient/grace"),
        if_none_exist="code=8867-4",
    )

    assert saved.created


async def test_of_64_conditional_creates_at_once_one_creates(call: Call) -> None:
    racers = (
        create(call, "Patient", a_patient(number="9000000009"), if_none_exist=SAME_NUMBER)
        for _ in range(64)
    )

    outcomes = await asyncio.gather(*racers)

    assert Counter(each.created for each in outcomes) == {True: 1, False: 63}
    assert len({each.stored.key for each in outcomes}) == 1


async def test_racers_whose_criteria_overlap_create_once(call: Call) -> None:
    narrow = f"{SAME_NUMBER}&family=lovelace"
    racers = (
        create(call, "Patient", a_patient(number="9000000009"), if_none_exist=criteria)
        for criteria in (SAME_NUMBER, narrow) * 16
    )

    outcomes = await asyncio.gather(*racers)

    assert sum(each.created for each in outcomes) == 1
