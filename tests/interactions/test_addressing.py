"""Tests of the one place that knows the resource types."""

from __future__ import annotations

import pytest

from fhir_server.fhir.errors import BadRequest, NotFound
from fhir_server.fhir.resource import Key
from fhir_server.interactions.addressing import check_type, check_writable
from fhir_server.interactions.call import Call


@pytest.mark.parametrize(
    ("name", "hint"),
    [("Patiemt", "did you mean Patient"), ("patient", "Patient"), ("Xyzzyxy", "case-sensitive")],
)
async def test_an_unknown_type_is_refused_with_a_hint(call: Call, name: str, hint: str) -> None:
    with pytest.raises(NotFound, match=hint):
        check_type(call, name)


@pytest.mark.parametrize(
    "name", ["Resource", "DomainResource", "HumanName", "", "../types/Patient"]
)
async def test_what_is_no_concrete_resource_type_is_refused(call: Call, name: str) -> None:
    with pytest.raises(NotFound):
        check_type(call, name)


@pytest.mark.parametrize("bad", ["", "a b", "a_b", "a" * 65, "a/b", "ä", "a\n"])
async def test_an_id_that_no_resource_may_have_is_refused(call: Call, bad: str) -> None:
    with pytest.raises(BadRequest, match="cannot be an id"):
        check_writable(call, Key("Patient", bad))


async def test_every_type_of_r4_is_known(call: Call) -> None:
    for name in call.definitions.resource_types:
        check_writable(call, Key(name, "a-1.B"))

    assert len(call.definitions.resource_types) == 146
