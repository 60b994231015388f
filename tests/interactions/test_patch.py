"""Tests of the patch interaction: its preconditions and races; what a patch means is tested with fhir."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir.errors import (
    BadRequest,
    FhirError,
    Gone,
    InvalidResource,
    MultipleMatches,
    NotFound,
    PreconditionFailed,
)
from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.patch import FhirPathPatch, JsonPatch, patch, patch_matching
from fhir_server.interactions.read import read
from tests.interactions.builders import (
    ADA,
    a_patient,
    an_observation,
    body,
    put,
    seeing_only,
)

DEACTIVATE = JsonPatch([{"op": "add", "path": "/active", "value": False}])
ACTIVATE = FhirPathPatch(
    {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "add"},
                    {"name": "path", "valueString": "Patient"},
                    {"name": "name", "valueString": "active"},
                    {"name": "value", "valueBoolean": True},
                ],
            }
        ],
    }
)


def adding_a_name(family: str) -> JsonPatch:
    """Return a patch that adds one more name at the end."""
    return JsonPatch([{"op": "add", "path": "/name/-", "value": {"family": family}}])


async def test_an_absent_resource_is_not_found(call: Call) -> None:
    with pytest.raises(NotFound):
        await patch(call, ADA, DEACTIVATE)


async def test_a_deleted_resource_is_gone(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    await delete(call, ADA)

    with pytest.raises(Gone):
        await patch(call, ADA, DEACTIVATE)


async def test_a_hidden_resource_is_not_found(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(NotFound):
        await patch(seeing_only(call, "grace"), ADA, DEACTIVATE)


@pytest.mark.parametrize("if_match", [0, 2])
async def test_if_match_that_is_not_current_is_refused(call: Call, if_match: int) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(PreconditionFailed):
        await patch(call, ADA, DEACTIVATE, if_match=if_match)


async def test_a_patch_that_makes_the_resource_invalid_is_refused(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(InvalidResource):
        await patch(call, ADA, JsonPatch([{"op": "add", "path": "/active", "value": "yes"}]))

    assert (await read(call, ADA)).version == 1


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/id", "value": "grace"},
        {"op": "remove", "path": "/id"},
        {"op": "replace", "path": "/resourceType", "value": "Person"},
        {"op": "test", "path": "/active", "value": True},
        {"op": "nonsense", "path": "/active"},
    ],
)
async def test_a_patch_that_cannot_be_done_is_refused(
    call: Call, operation: dict[str, Any]
) -> None:
    await put(call, a_patient(resource_id="ada", active=False))

    with pytest.raises(FhirError) as refused:
        await patch(call, ADA, JsonPatch([operation]))

    assert refused.value.status in {400, 422}
    assert (await read(call, ADA)).version == 1


async def test_a_patch_that_is_no_patch_is_refused(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(BadRequest):
        await patch(call, ADA, JsonPatch({"op": "add"}))


async def test_criteria_without_a_match_are_not_found(call: Call) -> None:
    with pytest.raises(NotFound, match="nothing to patch"):
        await patch_matching(call, "Patient", "family=lovelace", DEACTIVATE)


async def test_criteria_with_several_matches_are_refused(call: Call) -> None:
    await put(call, a_patient(resource_id="one"))
    await put(call, a_patient(resource_id="two"))

    with pytest.raises(MultipleMatches):
        await patch_matching(call, "Patient", "family=lovelace", DEACTIVATE)


async def test_with_a_match_if_match_must_be_current(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(PreconditionFailed):
        await patch_matching(call, "Patient", "family=lovelace", DEACTIVATE, if_match=2)


@pytest.mark.parametrize(("change", "active"), [(DEACTIVATE, b"false"), (ACTIVATE, b"true")])
async def test_a_patch_makes_the_next_version(
    call: Call, change: JsonPatch | FhirPathPatch, active: bytes
) -> None:
    await put(call, a_patient(resource_id="ada"))

    saved = await patch(call, ADA, change, if_match=1)

    assert saved.stored.body is not None
    assert b'"active":' + active in saved.stored.body
    assert (saved.stored.version, saved.stored.method) == (2, "PATCH")
    assert (saved.created, saved.changed) == (False, True)


async def test_a_patch_that_changes_nothing_keeps_the_version(call: Call) -> None:
    await put(call, a_patient(resource_id="ada", active=False))

    saved = await patch(call, ADA, DEACTIVATE)

    assert (saved.changed, saved.stored.version) == (False, 1)


async def test_decimals_keep_their_digits(call: Call) -> None:
    weight = {"value": Decimal("82.50"), "unit": "kg"}
    await put(call, an_observation(id="weight", valueQuantity=weight))

    saved = await patch(
        call,
        Key("Observation", "weight"),
        JsonPatch([{"op": "replace", "path": "/status", "value": "amended"}]),
    )

    assert saved.stored.body is not None
    assert b'"value":82.50' in saved.stored.body


async def test_the_one_match_is_patched(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    saved = await patch_matching(call, "Patient", "family=lovelace", DEACTIVATE, if_match=1)

    assert (saved.stored.key, saved.stored.version) == (ADA, 2)


async def test_patches_at_once_all_take_effect(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    await asyncio.gather(*(patch(call, ADA, adding_a_name(f"Racer {n}")) for n in range(6)))

    patched = await read(call, ADA)
    assert patched.version == 7
    assert {each["family"] for each in body(patched)["name"]} == {
        "Lovelace",
        *(f"Racer {n}" for n in range(6)),
    }


async def test_of_patches_with_the_same_if_match_one_wins(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    outcomes = await asyncio.gather(
        *(patch(call, ADA, adding_a_name(f"Racer {n}"), if_match=1) for n in range(16)),
        return_exceptions=True,
    )

    assert sum(isinstance(each, Saved) for each in outcomes) == 1
    assert sum(isinstance(each, PreconditionFailed) for each in outcomes) == 15
