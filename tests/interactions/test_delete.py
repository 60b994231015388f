"""Tests of the delete interaction."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.fhir.errors import Gone, MultipleMatches, NotFound, PreconditionFailed
from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete, delete_matching
from fhir_server.interactions.outcomes import Deleted
from fhir_server.interactions.read import read
from tests.interactions.builders import (
    ADA,
    a_patient,
    an_observation,
    put,
    seeing_only,
    seeing_types,
)


async def test_an_unknown_type_is_not_found(call: Call) -> None:
    with pytest.raises(NotFound):
        await delete(call, Key("Patients", "ada"))


@pytest.mark.parametrize("if_match", [0, 2])
async def test_if_match_that_is_not_current_is_refused(call: Call, if_match: int) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(PreconditionFailed):
        await delete(call, ADA, if_match=if_match)

    assert (await read(call, ADA)).version == 1


async def test_if_match_where_nothing_is_is_refused(call: Call) -> None:
    with pytest.raises(PreconditionFailed, match="no current version"):
        await delete(call, ADA, if_match=1)


async def test_criteria_with_several_matches_are_refused(call: Call) -> None:
    await put(call, an_observation(id="one"))
    await put(call, an_observation(id="two"))

    with pytest.raises(MultipleMatches):
        await delete_matching(call, "Observation", "status=final")


async def test_what_is_hidden_is_left_alone_as_if_absent(call: Call) -> None:
    await put(call, an_observation("Patient/ada", id="hers"))
    grace = seeing_only(call, "grace")

    by_id = await delete(grace, Key("Observation", "hers"))
    by_criteria = await delete_matching(grace, "Observation", "status=final")
    by_type = await delete(seeing_types(call, "Patient"), Key("Observation", "hers"))

    assert by_id == by_criteria == by_type == Deleted(None)
    with pytest.raises(PreconditionFailed, match="no current version"):
        await delete(grace, Key("Observation", "hers"), if_match=1)
    assert (await read(call, Key("Observation", "hers"))).version == 1


async def test_deleting_what_never_was_is_no_error(call: Call) -> None:
    assert await delete(call, ADA) == Deleted(None)


async def test_a_delete_makes_a_version_and_a_second_one_none(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    first, second = await delete(call, ADA, if_match=1), await delete(call, ADA)

    assert first.stored is not None
    assert (first.stored.version, first.stored.deleted) == (2, True)
    assert second == first
    with pytest.raises(Gone):
        await read(call, ADA)


async def test_a_caller_deletes_what_is_in_sight(call: Call) -> None:
    await put(call, an_observation("Patient/ada", id="hers"))

    done = await delete(seeing_only(call, "ada"), Key("Observation", "hers"))

    assert done.stored is not None


async def test_no_match_is_no_error(call: Call) -> None:
    assert await delete_matching(call, "Observation", "status=final") == Deleted(None)


async def test_the_one_match_is_deleted(call: Call) -> None:
    await put(call, an_observation(id="one"))
    await put(call, an_observation(id="two", status="amended"))

    done = await delete_matching(call, "Observation", "status=final")

    assert done.stored is not None
    assert done.stored.key.id == "one"
    assert (await read(call, Key("Observation", "two"))).version == 1


async def test_conditional_deletes_at_once_delete_once(call: Call) -> None:
    await put(call, an_observation(id="one"))

    outcomes = await asyncio.gather(
        *(delete_matching(call, "Observation", "status=final") for _ in range(16))
    )

    assert {each.stored.version for each in outcomes if each.stored} == {2}
