"""What a List names, searched: https://hl7.org/fhir/R4/search.html#list."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from fhir_server.interactions.search import search
from tests.interactions.builders import (
    ADA,
    a_patient,
    an_observation,
    put,
    seeing_only,
    seeing_types,
)
from tests.interactions.test_search import NOW, ids, searched


def a_list(resource_id: str, *references: str, **more: Any) -> Resource:
    entries = [{"item": {"reference": each}} for each in references]
    return {
        "resourceType": "List",
        "id": resource_id,
        "status": "current",
        "mode": "changes",
        "entry": entries,
        **more,
    }


@pytest.fixture
async def register(call: Call) -> Call:
    """A list of one patient, of one who is marked as deleted, of an observation and of nobody."""
    for name in ("ada", "bob", "eve"):
        await put(call, a_patient(resource_id=name, gender="male" if name == "bob" else "female"))
        await put(call, an_observation(f"Patient/{name}", id=f"of-{name}"))
    named = a_list("42", "Patient/ada", "Patient/bob", "Observation/of-eve", "Patient/nobody")
    named["entry"].append({"deleted": True, "item": {"reference": "Patient/eve"}})
    await put(call, named)
    await put(call, a_list("hers", "Patient/ada", subject={"reference": "Patient/ada"}))
    return call


@pytest.mark.parametrize("kind", ["Patient", None])
async def test_a_list_by_its_function_is_refused_by_name(register: Call, kind: str | None) -> None:
    with pytest.raises(NotSupported, match="lists by function are not served"):
        await searched(register, kind, "_list=$current-problems")


async def test_a_list_says_nothing_of_the_parameter_of_an_include(register: Call) -> None:
    with pytest.raises(BadRequest, match="no reference parameter '_list'"):
        await searched(register, "List", "_include=List:_list")


@pytest.mark.parametrize(
    ("kind", "query", "expected"),
    [
        ("Patient", "_list=42", {"ada", "bob"}),
        ("Patient", "_list=42&gender=female", {"ada"}),
        ("Patient", "_list=hers,42", {"ada", "bob"}),
        ("Patient", "_list=42&_list=hers", {"ada"}),
        ("Patient", "_list=none", set()),
        ("Organization", "_list=42", set()),
        ("Observation", "_list=42", {"of-eve"}),
        ("Observation", "patient._list=42", {"of-ada", "of-bob"}),
        (None, "_list=42", {"ada", "bob", "of-eve"}),
        (None, "_list=42&_type=Patient,List", {"ada", "bob"}),
        (None, "_list=42&_id=bob", {"bob"}),
    ],
)
async def test_a_list_finds_what_it_has(
    register: Call, kind: str | None, query: str, expected: set[str]
) -> None:
    assert ids(await searched(register, kind, query)) == expected
    assert (await searched(register, kind, f"{query}&_summary=count")).total == len(expected)


async def test_a_list_finds_what_it_has_in_a_compartment(register: Call) -> None:
    await put(register, a_list("both", "Observation/of-ada", "Observation/of-eve"))

    for kind in ("Observation", None):
        found = await search(register, kind, [("_list", "both")], after=None, now=NOW, owner=ADA)
        assert ids(found) == {"of-ada"}


async def test_a_hidden_or_deleted_list_has_nothing(register: Call) -> None:
    blind = seeing_types(register, "Patient", "Observation")
    for kind in ("Patient", None):
        assert ids(await searched(blind, kind, "_list=42")) == set()
        assert (await searched(blind, kind, "_list=42&_summary=count")).total == 0

    await delete(register, Key("List", "42"))

    assert ids(await searched(register, "Patient", "_list=42")) == set()


async def test_a_list_shows_no_more_than_may_be_seen(register: Call) -> None:
    hers = seeing_only(register, "ada")

    assert ids(await searched(hers, "Patient", "_list=hers")) == {"ada"}
    assert ids(await searched(hers, "Patient", "_list=42")) == set()
    assert ids(await searched(seeing_only(register, "bob"), "Patient", "_list=hers")) == set()


async def test_what_is_taken_from_a_list_is_no_longer_found(register: Call) -> None:
    await put(register, a_list("42", "Patient/bob"))

    assert ids(await searched(register, "Patient", "_list=42")) == {"bob"}


async def test_a_list_is_included_by_what_it_has(register: Call) -> None:
    found = await searched(register, "Patient", "_list=hers&_revinclude=List:item")

    assert {str(row.stored.key) for row in found.included} == {"List/42", "List/hers"}
