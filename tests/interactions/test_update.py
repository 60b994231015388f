"""Tests of the update interaction."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fhir_server.fhir.errors import (
    BadRequest,
    Forbidden,
    MethodNotAllowed,
    MultipleMatches,
    NotFound,
    PreconditionFailed,
    VersionConflict,
)
from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.read import read
from fhir_server.interactions.update import update, update_matching
from tests.interactions.builders import (
    ADA,
    NHS_NUMBER,
    a_patient,
    an_observation,
    body,
    put,
    seeing_only,
)

NUMBER = "9000000009"
SAME_NUMBER = f"identifier={NHS_NUMBER}|{NUMBER}"


@pytest.mark.parametrize("said", [{}, {"id": "grace"}, {"id": None}, {"id": 7}])
async def test_a_body_without_the_id_of_its_address_is_refused(
    call: Call, said: dict[str, Any]
) -> None:
    with pytest.raises(BadRequest, match="needs the same id"):
        await update(call, ADA, a_patient(**said))


async def test_an_id_that_cannot_be_is_refused(call: Call) -> None:
    with pytest.raises(BadRequest, match="cannot be an id"):
        await update(call, Key("Patient", "a_b"), a_patient(resource_id="a_b"))


async def test_an_unknown_type_is_not_found(call: Call) -> None:
    with pytest.raises(NotFound):
        await update(call, Key("Patients", "ada"), a_patient(resource_id="ada"))


@pytest.mark.parametrize("if_match", [-1, 0, 1, 3, 2**64])
async def test_if_match_that_is_not_current_is_refused(call: Call, if_match: int) -> None:
    await put(call, a_patient(resource_id="ada", family="Byron"))
    await put(call, a_patient(resource_id="ada", family="King"))

    with pytest.raises(PreconditionFailed):
        await update(call, ADA, a_patient(resource_id="ada"), if_match=if_match)

    assert (await read(call, ADA)).version == 2


async def test_the_refusal_names_the_current_version(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(PreconditionFailed, match=r"version 9 of Patient/ada.*current version is 1"):
        await update(call, ADA, a_patient(resource_id="ada"), if_match=9)


@pytest.mark.parametrize("if_match", [0, 1])
async def test_if_match_on_an_absent_resource_is_refused(call: Call, if_match: int) -> None:
    with pytest.raises(PreconditionFailed):
        await update(call, ADA, a_patient(resource_id="ada"), if_match=if_match)

    with pytest.raises(NotFound):
        await read(call, ADA)


async def test_if_match_on_a_deleted_resource_is_refused(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    await delete(call, ADA)

    with pytest.raises(PreconditionFailed, match="no current version"):
        await update(call, ADA, a_patient(resource_id="ada"), if_match=2)


async def test_what_is_hidden_and_what_is_absent_are_refused_alike(call: Call) -> None:
    await put(call, an_observation("Patient/ada", id="hers"))
    grace = seeing_only(call, "grace")

    with pytest.raises(MethodNotAllowed) as hidden:
        await put(grace, an_observation("Patient/grace", id="hers"))
    with pytest.raises(MethodNotAllowed) as absent:
        await put(grace, an_observation("Patient/grace", id="none"))

    assert str(hidden.value) == str(absent.value).replace("none", "hers")


@pytest.mark.parametrize("if_match", [0, 2])
async def test_if_match_holds_for_who_sees_one_patient_too(call: Call, if_match: int) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(PreconditionFailed):
        await update(seeing_only(call, "ada"), ADA, a_patient(resource_id="ada"), if_match=if_match)


async def test_a_resource_cannot_be_moved_out_of_the_callers_sight(call: Call) -> None:
    await put(call, an_observation("Patient/ada", id="hers"))

    with pytest.raises(Forbidden):
        await put(seeing_only(call, "ada"), an_observation("Patient/grace", id="hers"))


async def test_a_caller_updates_what_is_in_sight(call: Call) -> None:
    await put(call, an_observation("Patient/ada", id="hers"))

    saved = await put(
        seeing_only(call, "ada"), an_observation("Patient/ada", id="hers", status="amended")
    )

    assert saved.stored.version == 2


async def test_update_as_create(call: Call) -> None:
    saved = await put(call, a_patient(resource_id="ada"))

    assert (saved.created, saved.changed, saved.stored.version) == (True, True, 1)
    assert saved.stored.method == "PUT"


async def test_an_update_makes_the_next_version(call: Call) -> None:
    await put(call, a_patient(resource_id="ada", family="Byron"))

    saved = await update(call, ADA, a_patient(resource_id="ada"), if_match=1)

    assert (saved.created, saved.changed, saved.stored.version) == (False, True, 2)
    assert body(saved.stored)["meta"]["versionId"] == "2"


async def test_an_update_that_changes_nothing_keeps_the_version(call: Call) -> None:
    first = await put(call, a_patient(resource_id="ada"))

    again = await put(call, body(first.stored))

    assert (again.created, again.changed) == (False, False)
    assert again.stored == first.stored


async def test_an_update_brings_a_deleted_resource_back(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    await delete(call, ADA)

    saved = await put(call, a_patient(resource_id="ada"))

    assert (saved.created, saved.stored.version) == (True, 3)


async def test_of_racers_with_the_same_if_match_one_wins(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    outcomes = await asyncio.gather(
        *(
            update(call, ADA, a_patient(resource_id="ada", family=f"Racer {n}"), if_match=1)
            for n in range(32)
        ),
        return_exceptions=True,
    )

    assert sum(isinstance(each, Saved) for each in outcomes) == 1
    assert sum(isinstance(each, PreconditionFailed) for each in outcomes) == 31


async def test_criteria_with_several_matches_are_refused(call: Call) -> None:
    await put(call, a_patient(resource_id="one", number=NUMBER))
    await put(call, a_patient(resource_id="two", number=NUMBER))

    with pytest.raises(MultipleMatches):
        await update_matching(call, "Patient", SAME_NUMBER, a_patient())


async def test_a_match_with_another_id_than_the_body_is_refused(call: Call) -> None:
    await put(call, a_patient(resource_id="ada", number=NUMBER))

    with pytest.raises(BadRequest, match="matches Patient/ada, but the body has the id 'grace'"):
        await update_matching(call, "Patient", SAME_NUMBER, a_patient(resource_id="grace"))


@pytest.mark.parametrize("said", ["a_b", 7, None, ""])
async def test_an_id_in_the_body_that_cannot_be_is_refused(call: Call, said: object) -> None:
    with pytest.raises(BadRequest):
        await update_matching(call, "Patient", SAME_NUMBER, a_patient(id=said))


async def test_without_a_match_an_id_that_exists_is_refused(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(VersionConflict, match="Patient/ada, which the body names, exists already"):
        await update_matching(
            call, "Patient", SAME_NUMBER, a_patient(resource_id="ada", number=NUMBER)
        )


async def test_without_a_match_if_match_is_refused(call: Call) -> None:
    with pytest.raises(PreconditionFailed, match="nothing matches"):
        await update_matching(call, "Patient", SAME_NUMBER, a_patient(), if_match=1)


async def test_with_a_match_if_match_must_be_current(call: Call) -> None:
    await put(call, a_patient(resource_id="ada", number=NUMBER))

    with pytest.raises(PreconditionFailed, match="current version is 1"):
        await update_matching(call, "Patient", SAME_NUMBER, a_patient(), if_match=2)


async def test_without_a_match_a_caller_of_one_patient_learns_of_no_other(call: Call) -> None:
    grace = seeing_only(call, "grace")

    with pytest.raises(MethodNotAllowed):
        await update_matching(
            grace, "Observation", "status=final", an_observation("Patient/grace", id="x")
        )


async def test_without_match_and_id_a_resource_is_created(call: Call) -> None:
    saved = await update_matching(call, "Patient", SAME_NUMBER, a_patient(number=NUMBER))

    assert (saved.created, saved.stored.key.id) == (True, "new-1")


async def test_without_match_the_id_of_the_body_is_taken(call: Call) -> None:
    saved = await update_matching(
        call, "Patient", SAME_NUMBER, a_patient(resource_id="ada", number=NUMBER)
    )

    assert (saved.created, saved.stored.key) == (True, ADA)


@pytest.mark.parametrize("said", [None, "ada"])
async def test_one_match_is_updated(call: Call, said: str | None) -> None:
    await put(call, a_patient(resource_id="ada", number=NUMBER))

    saved = await update_matching(
        call,
        "Patient",
        SAME_NUMBER,
        a_patient(resource_id=said, number=NUMBER, family="King"),
        if_match=1,
    )

    assert (saved.created, saved.stored.key, saved.stored.version) == (False, ADA, 2)


async def test_of_conditional_updates_at_once_one_creates_and_the_others_update(
    call: Call,
) -> None:
    outcomes = await asyncio.gather(
        *(
            update_matching(
                call, "Patient", SAME_NUMBER, a_patient(number=NUMBER, family=f"Racer {n}")
            )
            for n in range(24)
        )
    )

    assert sum(each.created for each in outcomes) == 1
    assert sorted(each.stored.version for each in outcomes) == list(range(1, 25))


async def test_racers_that_name_the_same_id_all_succeed(call: Call) -> None:
    outcomes = await asyncio.gather(
        *(
            update_matching(
                call,
                "Patient",
                SAME_NUMBER,
                a_patient(resource_id="ada", number=NUMBER, family=f"Racer {n}"),
            )
            for n in range(8)
        )
    )

    assert sorted(each.stored.version for each in outcomes) == list(range(1, 9))
