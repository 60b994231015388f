"""What a List names, searched: https://hl7.org/fhir/R4/search.html#list."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.errors import BadRequest
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


def maintained(resource_id: str, use: str, *references: str, **more: Any) -> Resource:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/list-example-use-codes"}
    hers = {"subject": {"reference": "Patient/ada"}, "mode": "working"}
    code_of = {"code": {"coding": [{**coding, "code": use}]}}
    return a_list(resource_id, *references, **{**hers, **code_of, **more})


@pytest.fixture
async def problems(register: Call) -> Call:
    """Lists of problems: hers, an old one, a snapshot, of another use, and his, which has one of hers."""
    for name in ("one", "two", "three"):
        await put(register, an_observation("Patient/ada", id=name))
    one, two, three = (f"Observation/{each}" for each in ("one", "two", "three"))
    loinc = {"coding": [{"system": "http://loinc.org", "code": "11450-4"}]}
    for each in (
        maintained("now", "problems", one),
        maintained("by-loinc", "x", "Observation/of-ada", code=loinc),
        maintained("old", "problems", two, status="retired"),
        maintained("snapshot", "problems", two, mode="snapshot"),
        maintained("other", "medications", three),
        maintained(
            "his", "problems", two, "Observation/of-bob", subject={"reference": "Patient/bob"}
        ),
    ):
        await put(register, each)
    return register


BY_FUNCTION = [
    ("patient=ada&_list=$current-problems", {"one", "of-ada"}),
    ("_list=$current-problems&subject=Patient/ada", {"one", "of-ada"}),
    ("patient=ada&_list=$current-medications", {"three"}),
    ("patient=ada&_list=$current-problems,$current-medications", {"one", "of-ada", "three"}),
    ("patient=ada&_list=$current-medications,42", {"three"}),
    ("patient=ada&_list=$current-problems&_id=one", {"one"}),
    ("patient=ada,bob&_list=$current-problems", {"one", "of-ada", "of-bob"}),
    ("patient=bob&_list=$current-problems", {"of-bob"}),
    ("patient=ada&_list=$current-allergies", set()),
    ("patient=ada&patient=bob&_list=$current-problems", set()),
]


@pytest.mark.parametrize(("query", "expected"), BY_FUNCTION)
async def test_a_list_by_its_function_is_what_the_patient_has_now(
    problems: Call, query: str, expected: set[str]
) -> None:
    assert ids(await searched(problems, "Observation", query)) == expected
    assert (await searched(problems, "Observation", f"{query}&_summary=count")).total == len(
        expected
    )


@pytest.mark.parametrize("kind", ["Observation", None])
async def test_in_a_compartment_a_list_by_its_function_is_that_of_the_patient(
    problems: Call, kind: str | None
) -> None:
    pairs = [("_list", "$current-problems")]

    found = await search(problems, kind, pairs, after=None, now=NOW, owner=ADA)

    assert ids(found) == {"one", "of-ada"}
    assert found.issues == ()


@pytest.mark.parametrize("blind", [False, True])
async def test_that_there_is_no_such_list_is_told_as_that_none_may_be_seen(
    problems: Call, *, blind: bool
) -> None:
    asked = "$current-problems" if blind else "$current-allergies"
    call = seeing_types(problems, "Observation") if blind else problems

    found = await searched(call, "Observation", f"patient=ada&_list={asked}")

    assert ids(found) == set()
    (issue,) = found.issues
    assert (issue.severity, issue.code) == ("warning", "not-found")
    assert f"Patient/ada has no current List of the function {asked}" in issue.diagnostics


async def test_nothing_is_told_of_a_list_that_is_there(problems: Call) -> None:
    found = await searched(problems, "Observation", "patient=ada&_list=$current-problems")

    assert found.issues == ()
