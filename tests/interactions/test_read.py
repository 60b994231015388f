"""Tests of the read interaction."""

from __future__ import annotations

import pytest

from fhir_server.fhir.errors import Gone, NotFound
from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from fhir_server.interactions.read import read
from tests.interactions.builders import (
    ADA,
    a_patient,
    an_observation,
    body,
    put,
    seeing_only,
    seeing_types,
)


async def test_an_unknown_id_is_not_found(call: Call) -> None:
    with pytest.raises(NotFound, match="Patient/ada is not known here"):
        await read(call, ADA)


async def test_an_unknown_type_is_not_found_and_named(call: Call) -> None:
    with pytest.raises(NotFound, match="no resource type 'Patients'"):
        await read(call, Key("Patients", "ada"))


async def test_a_deleted_resource_is_gone(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    await delete(call, ADA)

    with pytest.raises(Gone, match="deleted in version 2"):
        await read(call, ADA)


async def test_what_is_hidden_gets_the_answer_of_what_is_absent(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(NotFound) as hidden:
        await read(seeing_only(call, "grace"), ADA)
    with pytest.raises(NotFound) as other_type:
        await read(seeing_types(call, "Observation"), ADA)

    assert str(hidden.value) == str(other_type.value) == "Patient/ada is not known here"


async def test_a_resource_is_read_as_it_was_written(call: Call) -> None:
    written = await put(call, a_patient(resource_id="ada"))

    assert await read(call, ADA) == written.stored


async def test_a_patient_reads_what_is_in_her_compartment(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    await put(call, an_observation(id="pulse"))

    found = await read(seeing_only(call, "ada"), Key("Observation", "pulse"))

    assert body(found)["subject"] == {"reference": "Patient/ada"}
