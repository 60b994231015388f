"""Tests of what becomes of a resource before it is written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_server.fhir.errors import BadRequest, Forbidden, InvalidResource
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.drafting import prepare
from tests.interactions.builders import (
    ADA,
    BASE_URL,
    a_patient,
    an_observation,
    body,
    put,
    seeing_only,
    seeing_types,
)

PULSE = Key("Observation", "pulse")


async def test_another_type_than_the_address_asks_for_is_refused(call: Call) -> None:
    with pytest.raises(BadRequest, match=r"asks for the type Patient.*'Observation'"):
        prepare(call, an_observation(), ADA)


async def test_an_invalid_resource_is_refused_with_every_issue(call: Call) -> None:
    with pytest.raises(InvalidResource) as refused:
        prepare(call, a_patient(gender="unknowable", birthDate="yesterday"), ADA)

    places = {each.expression for each in refused.value.issues}
    assert places == {"Patient.gender", "Patient.birthDate"}


async def test_a_type_that_the_caller_may_not_see_is_refused(call: Call) -> None:
    with pytest.raises(Forbidden, match="type Patient"):
        prepare(seeing_types(call, "Observation"), a_patient(), ADA)


@pytest.mark.parametrize("subject", ["Patient/grace", None])
async def test_what_is_outside_of_the_callers_compartment_is_refused(
    call: Call, subject: str | None
) -> None:
    with pytest.raises(Forbidden, match="compartment of Patient/ada"):
        prepare(seeing_only(call, "ada"), an_observation(subject), PULSE)


async def test_what_is_in_the_callers_compartment_is_prepared(call: Call) -> None:
    draft = prepare(seeing_only(call, "ada"), an_observation(), PULSE)

    assert draft.record.compartments == ("ada",)


async def test_the_input_is_left_as_it_is(call: Call) -> None:
    sent = a_patient(resource_id="sent", meta={"versionId": "7"})

    prepare(call, sent, ADA)

    assert sent == a_patient(resource_id="sent", meta={"versionId": "7"})


async def test_the_server_owns_id_version_and_time(call: Call) -> None:
    meta: Resource = {
        "versionId": "77",
        "lastUpdated": "1999-12-31T00:00:00Z",
        "tag": [{"system": "urn:tags", "code": "x"}],
    }

    written = body((await put(call, a_patient(resource_id="ada", meta=meta))).stored)

    assert written["meta"]["versionId"] == "1"
    assert not written["meta"]["lastUpdated"].startswith("1999")
    assert written["meta"]["tag"] == [{"system": "urn:tags", "code": "x"}]


async def test_meta_with_nothing_but_the_servers_own_elements_is_fine(call: Call) -> None:
    draft = prepare(call, a_patient(meta={"versionId": "77"}), ADA)

    assert draft.meta == b""


async def test_members_are_stored_in_the_order_type_id_meta_rest(call: Call) -> None:
    sent = {"active": True, "id": "ada", "resourceType": "Patient", "meta": {"source": "urn:a"}}

    written = body((await put(call, sent)).stored)

    assert list(written) == ["resourceType", "id", "meta", "active"]


async def test_an_absolute_reference_to_this_server_is_found_as_a_local_one(call: Call) -> None:
    sent = an_observation(f"{BASE_URL}/Patient/ada")

    draft = prepare(replace(call), sent, PULSE)

    assert "subject>Patient/ada" in draft.record.terms
    assert BASE_URL.encode() in draft.rest
