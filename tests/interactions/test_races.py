"""Tests of writes that others come before: decided anew, and given up after a number of times."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from fhir_server.fhir.errors import PreconditionFailed, VersionConflict
from fhir_server.fhir.resource import Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete, delete_matching
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.patch import JsonPatch, patch, patch_matching
from fhir_server.interactions.read import read
from fhir_server.interactions.transaction import transaction
from fhir_server.interactions.update import update, update_matching
from tests.interactions.builders import (
    ADA,
    a_json_patch,
    a_patient,
    a_transaction,
    an_entry,
    put,
    seeing_only,
)
from tests.interactions.overtaking import overtaken

FAMILY = "family=lovelace"
OPERATIONS = [{"op": "add", "path": "/active", "value": False}]
PATCH = JsonPatch(OPERATIONS)

Racer = Callable[[Call], Awaitable[object]]


def changing(call: Call) -> Callable[[], Awaitable[object]]:
    """Return what makes a new version of Ada each time."""
    numbers = count()
    return lambda: put(
        call, a_patient(resource_id="ada", birthDate=f"{1815 + next(numbers)}-12-10")
    )


def transaction_of(entry: Resource) -> Racer:
    """Return a transaction of one entry."""
    return lambda call: transaction(call, a_transaction(entry))


RACERS: dict[str, Racer] = {
    "create": lambda call: create(call, "Patient", a_patient(), if_none_exist=FAMILY),
    "update": lambda call: update_matching(call, "Patient", FAMILY, a_patient()),
    "delete": lambda call: delete_matching(call, "Patient", FAMILY),
    "patch": lambda call: patch_matching(call, "Patient", FAMILY, PATCH),
    "patch by id": lambda call: patch(call, ADA, PATCH),
    "POST": transaction_of(an_entry("POST", "Patient", a_patient(), ifNoneExist=FAMILY)),
    "PUT": transaction_of(an_entry("PUT", f"Patient?{FAMILY}", a_patient())),
    "PATCH": transaction_of(an_entry("PATCH", f"Patient?{FAMILY}", a_json_patch(OPERATIONS))),
    "PATCH by id": transaction_of(an_entry("PATCH", "Patient/ada", a_json_patch(OPERATIONS))),
    "PUT with id": transaction_of(
        an_entry("PUT", f"Patient?{FAMILY}", a_patient(resource_id="ada"))
    ),
    "DELETE": transaction_of(an_entry("DELETE", f"Patient?{FAMILY}")),
}
WITHOUT_MATCH = ("create", "update", "POST", "PUT")
WITH_MATCH = ("update", "delete", "patch", "PUT", "PATCH", "DELETE")
BY_ID = ("patch by id", "PATCH by id")
ON_WHAT_IS_SEEN: dict[str, Racer] = {
    "update": lambda call: update(call, ADA, a_patient(resource_id="ada", active=True)),
    "delete": lambda call: delete(call, ADA),
}
WITH_IF_MATCH: dict[str, Racer] = {
    "update": lambda call: update(call, ADA, a_patient(resource_id="ada", active=True), if_match=1),
    "delete": lambda call: delete(call, ADA, if_match=1),
    "patch": lambda call: patch(call, ADA, PATCH, if_match=1),
    "conditional update": lambda call: update_matching(
        call, "Patient", FAMILY, a_patient(), if_match=1
    ),
    "conditional patch": lambda call: patch_matching(call, "Patient", FAMILY, PATCH, if_match=1),
}


@pytest.mark.parametrize("name", WITHOUT_MATCH)
async def test_a_match_that_comes_and_goes_ends_in_a_conflict(call: Call, name: str) -> None:
    losing = overtaken(
        call, lambda: put(call, a_patient(resource_id="ada")), lambda: delete(call, ADA)
    )

    with pytest.raises(VersionConflict, match="please try again"):
        await RACERS[name](losing)


@pytest.mark.parametrize("name", WITH_MATCH)
async def test_a_second_match_that_comes_and_goes_ends_in_a_conflict(call: Call, name: str) -> None:
    second = (await put(call, a_patient(resource_id="grace", family="Hopper"))).stored.key
    await put(call, a_patient(resource_id="ada"))
    losing = overtaken(
        call, lambda: put(call, a_patient(resource_id="grace")), lambda: delete(call, second)
    )

    with pytest.raises(VersionConflict, match="please try again"):
        await RACERS[name](losing)

    assert (await read(call, ADA)).version == 1


@pytest.mark.parametrize("name", BY_ID)
async def test_a_resource_that_changes_all_the_time_ends_in_a_conflict(
    call: Call, name: str
) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(VersionConflict, match="please try again"):
        await RACERS[name](overtaken(call, changing(call)))


@pytest.mark.parametrize("name", ON_WHAT_IS_SEEN)
async def test_who_sees_one_patient_writes_only_over_what_was_seen(call: Call, name: str) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(VersionConflict, match="please try again"):
        await ON_WHAT_IS_SEEN[name](overtaken(seeing_only(call, "ada"), changing(call)))

    assert (await read(call, ADA)).method == "PUT"


@pytest.mark.parametrize("name", WITH_IF_MATCH)
@pytest.mark.parametrize("patient", [None, "ada"])
async def test_who_gives_if_match_is_told_at_once(
    call: Call, name: str, patient: str | None
) -> None:
    await put(call, a_patient(resource_id="ada"))
    caller = call if patient is None else seeing_only(call, patient)

    with pytest.raises(PreconditionFailed, match="current version is 2"):
        await WITH_IF_MATCH[name](overtaken(caller, changing(call), times=1))


@pytest.mark.parametrize("name", [*WITH_MATCH, *BY_ID])
async def test_a_race_that_is_lost_once_is_run_again(call: Call, name: str) -> None:
    await put(call, a_patient(resource_id="ada"))

    await RACERS[name](overtaken(call, changing(call), times=1))

    page = await call.store.read(call.sight, ADA)
    assert page is not None
    assert page.version == 3


@pytest.mark.parametrize("name", [*WITHOUT_MATCH, "PUT with id"])
async def test_a_match_that_came_in_between_is_found(call: Call, name: str) -> None:
    result = await RACERS[name](
        overtaken(call, lambda: put(call, a_patient(resource_id="ada")), times=1)
    )

    saved = result if isinstance(result, Saved) else result[0].outcome  # type: ignore[index]
    assert saved.stored.key == ADA
    assert not saved.created


async def test_a_conditional_reference_holds_when_the_transaction_is_written(call: Call) -> None:
    grace = (await put(call, a_patient(resource_id="grace"))).stored.key
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "pulse"},
        "subject": {"reference": f"Patient?{FAMILY}"},
    }

    async def take_over() -> None:
        await delete(call, grace)
        await put(call, a_patient(resource_id="ada"))

    (result,) = await transaction(
        overtaken(call, take_over, times=1),
        a_transaction(an_entry("POST", "Observation", observation)),
    )

    assert isinstance(result.outcome, Saved)
    assert b'"reference":"Patient/ada"' in (result.outcome.stored.body or b"")
