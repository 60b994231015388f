"""Tests of the vread interaction."""

from __future__ import annotations

import pytest

from fhir_server.fhir.errors import Gone, NotFound
from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from fhir_server.interactions.vread import vread
from tests.interactions.builders import ADA, a_patient, body, put, seeing_only


@pytest.mark.parametrize("version", [-1, 0, 2, 2**53, 2**64])
async def test_a_version_that_never_was_is_not_found(call: Call, version: int) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(NotFound, match=f"no version {version} here"):
        await vread(call, ADA, version)


async def test_an_unknown_type_is_not_found(call: Call) -> None:
    with pytest.raises(NotFound, match="no resource type"):
        await vread(call, Key("Patients", "ada"), 1)


async def test_the_version_that_is_a_deletion_is_gone(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    await delete(call, ADA)

    with pytest.raises(Gone):
        await vread(call, ADA, 2)


async def test_a_hidden_resource_has_no_versions(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(NotFound):
        await vread(seeing_only(call, "grace"), ADA, 1)


async def test_older_versions_stay_readable(call: Call) -> None:
    await put(call, a_patient(resource_id="ada", family="Byron"))
    await put(call, a_patient(resource_id="ada", family="Lovelace"))
    await delete(call, ADA)

    first, second = await vread(call, ADA, 1), await vread(call, ADA, 2)

    assert body(first)["name"] == [{"family": "Byron"}]
    assert body(second)["name"] == [{"family": "Lovelace"}]
