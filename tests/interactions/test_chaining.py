"""Chains and reverse chains over stored resources: what they find, and what they must not tell."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.errors import MultipleMatches
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.search import search
from tests.interactions.builders import (
    BASE_URL,
    NHS_NUMBER,
    a_patient,
    an_observation,
    put,
    seeing_only,
    seeing_types,
)
from tests.interactions.test_search import assert_found, ids, searched


def a(kind: str, resource_id: str, **more: Any) -> Resource:
    return {"resourceType": kind, "id": resource_id} | more


def to(reference: str) -> Resource:
    return {"reference": reference}


def a_coded(code: str) -> Resource:
    return {"coding": [{"system": "http://loinc.org", "code": code}]}


RESOURCES = [
    a("Organization", "trust", name="Ferrybridge Trust", active=True),
    a("Organization", "ward", name="Ward 7", partOf=to("Organization/trust")),
    a("Practitioner", "who", name=[{"family": "Who"}]),
    a_patient(
        resource_id="ada",
        number="9990000001",
        gender="female",
        generalPractitioner=[to("Practitioner/who"), to("Organization/ward")],
        managingOrganization=to("Organization/ward"),
    ),
    a_patient(
        resource_id="bob",
        number="9990000002",
        family="Smith",
        gender="male",
        generalPractitioner=[to("Organization/trust")],
    ),
    a("Group", "group", type="person", actual=True),
    an_observation("Patient/ada", id="pulse", performer=[to("Practitioner/who")]),
    an_observation(f"{BASE_URL}/Patient/ada", id="absolute", code=a_coded("1234-5")),
    an_observation("Patient/bob/_history/1", id="versioned", status="amended"),
    an_observation("Group/group", id="of-group"),
    an_observation("http://elsewhere.org/fhir/Patient/ada", id="elsewhere"),
    an_observation(None, id="of-none"),
    a(
        "DiagnosticReport",
        "report",
        status="final",
        code=a_coded("1234-5"),
        subject=to("Patient/ada"),
        result=[to("Observation/pulse")],
    ),
]


async def fill(call: Call) -> None:
    for each in RESOURCES:
        await put(call, each)


FOUND = [
    ("Observation", "subject:Patient.name=lovelace", {"pulse", "absolute"}),
    ("Observation", "subject:Patient.name=nobody", set()),
    ("Observation", "subject.name=smith", {"versioned"}),
    ("Observation", "subject:Patient.name=smith,love", {"pulse", "absolute", "versioned"}),
    ("Observation", f"patient.identifier={NHS_NUMBER}|9990000001", {"pulse", "absolute"}),
    ("Observation", "patient.gender:not=male", {"pulse", "absolute"}),
    ("Observation", "subject:Patient.gender:missing=true", set()),
    ("Observation", "subject:Group.type=person", {"of-group"}),
    ("Observation", "subject._id=ada,group", {"pulse", "absolute", "of-group"}),
    ("Observation", "subject:Patient._lastUpdated=gt2200", set()),
    ("Observation", "subject:Patient.name=love&status=final&code=1234-5", {"absolute"}),
    ("Observation", "subject:Patient.name=love&subject:Patient.name=smith", set()),
    ("Observation", "subject:Patient.name:contains=ITH", {"versioned"}),
    ("Observation", "subject:Patient.organization.partof.name=ferry", {"pulse", "absolute"}),
    ("Observation", "subject:Patient.general-practitioner:Organization.name=ferry", {"versioned"}),
    ("DiagnosticReport", "subject.general-practitioner.name=who", {"report"}),
    ("DiagnosticReport", "result.performer:Practitioner.family=who", {"report"}),
    ("DiagnosticReport", "result.performer:Practitioner.family=x", set()),
    ("Patient", "_has:Observation:patient:code=1234-5", {"ada"}),
    ("Patient", "_has:Observation:patient:code=1234-5,8867-4", {"ada", "bob"}),
    ("Patient", "_has:Observation:patient:code:not=1234-5", {"ada", "bob"}),
    ("Patient", "_has:Observation:patient:status=amended&gender=female", set()),
    ("Patient", "_has:Observation:subject:_has:DiagnosticReport:result:code=1234-5", {"ada"}),
    ("Patient", "_has:Observation:patient:performer:Practitioner.family=who", {"ada"}),
    ("Organization", "_has:Organization:partof:_has:Patient:organization:gender=female", {"trust"}),
    ("Encounter", "subject:Patient._has:Observation:patient:code=8867-4", set()),
    (
        "DiagnosticReport",
        "subject:Patient._has:Observation:patient:performer:Practitioner.name=who",
        {"report"},
    ),
]


@pytest.mark.parametrize(("kind", "query", "expected"), FOUND)
async def test_a_chain_finds_what_refers_and_is_referred_to(
    call: Call, kind: str, query: str, expected: set[str]
) -> None:
    await fill(call)

    assert ids(await searched(call, kind, query)) == expected


TELLING = [
    ("Observation", "subject:Patient.name=lovelace"),
    ("Observation", "subject:Patient.gender:not=male"),
    ("Observation", "subject:Patient.gender:missing=false"),
    ("Observation", "subject:Patient._id=ada"),
    ("Observation", "subject:Patient.organization.partof.name=ferry"),
    ("DiagnosticReport", "result.subject:Patient.name=lovelace"),
]


@pytest.mark.parametrize(("kind", "query"), TELLING)
async def test_a_hidden_target_cannot_be_inferred_through_a_chain(
    call: Call, kind: str, query: str
) -> None:
    await fill(call)
    assert ids(await searched(call, kind, query))

    blind = seeing_types(call, "Observation", "DiagnosticReport", "Organization")

    assert ids(await searched(blind, kind, query)) == set()
    assert (await searched(blind, kind, f"{query}&_summary=count")).total == 0


async def test_a_hidden_hop_in_the_middle_ends_a_chain(call: Call) -> None:
    await fill(call)
    query = "result.subject:Patient.name=lovelace"

    blind = seeing_types(call, "DiagnosticReport", "Patient")

    assert ids(await searched(call, "DiagnosticReport", query)) == {"report"}
    assert ids(await searched(blind, "DiagnosticReport", query)) == set()


async def test_a_hidden_resource_cannot_be_inferred_through_a_reverse_chain(call: Call) -> None:
    await fill(call)
    for query in (
        "code=1234-5",
        "code:not=x",
        "_id=pulse",
        "_has:DiagnosticReport:result:_id=report",
    ):
        name = f"_has:Observation:patient:{query}"
        blind = seeing_types(call, "Patient", "DiagnosticReport")

        assert "ada" in ids(await searched(call, "Patient", name))
        assert ids(await searched(blind, "Patient", name)) == set()


async def test_a_patient_learns_nothing_of_what_is_outside_the_compartment(call: Call) -> None:
    await fill(call)
    await put(call, an_observation("Patient/ada", id="of-bob", performer=[to("Patient/bob")]))
    hers = seeing_only(call, "ada")

    performed = "performer:Patient.name=smith"
    assert ids(await searched(call, "Observation", performed)) == {"of-bob"}
    assert ids(await searched(hers, "Observation", performed)) == set()
    assert ids(await searched(hers, "Observation", "subject:Patient.name=love")) == {
        "pulse",
        "absolute",
        "of-bob",
    }
    assert ids(await searched(hers, "Patient", "_has:Observation:patient:status=amended")) == set()


async def test_a_chain_never_matches_what_was_deleted_or_never_there(call: Call) -> None:
    await fill(call)
    await put(call, an_observation("Patient/nobody", id="dangling"))
    await delete(call, Key("Patient", "bob"))
    await delete(call, Key("DiagnosticReport", "report"))

    assert ids(await searched(call, "Observation", "subject:Patient.gender:not=x")) == {
        "pulse",
        "absolute",
    }
    assert ids(await searched(call, "Observation", "subject:Patient._id=nobody,bob")) == set()
    reverse = "_has:DiagnosticReport:result:status=final"
    assert ids(await searched(call, "Observation", reverse)) == set()


async def test_pages_of_a_chain_follow_each_other(call: Call) -> None:
    await fill(call)

    page = await searched(call, "Observation", "subject:Patient.name=lovelace&_count=1")

    assert len(page.rows) == 1
    assert page.next is not None


async def test_the_criteria_of_a_conditional_create_may_be_chained(call: Call) -> None:
    await fill(call)
    again = an_observation("Patient/bob")

    saved = await create(call, "Observation", again, if_none_exist="subject:Patient.name=smith")

    assert isinstance(saved, Saved)
    assert saved.stored.key.id == "versioned"
    with pytest.raises(MultipleMatches):
        await create(call, "Observation", again, if_none_exist="subject:Patient.name=lovelace")


OF_ALL_TYPES = [
    ("_has:Observation:subject:status=final", {"ada", "group"}),
    ("_type=Patient,Group&_has:Observation:subject:status=final", {"ada", "group"}),
    ("_type=Patient&_has:Observation:subject:status=final", {"ada"}),
    ("_type=Group,Organization&_has:Observation:subject:status=final", {"group"}),
    ("_has:Patient:general-practitioner:gender=female", {"who", "ward"}),
    ("_has:Patient:general-practitioner:gender=female&_id=who", {"who"}),
    (
        "_has:Patient:general-practitioner:gender=female&_has:Observation:performer:status=final",
        {"who"},
    ),
    ("_has:Observation:performer:_has:DiagnosticReport:result:status=final", {"who"}),
    ("_has:Observation:subject:code=nothing", set()),
]


@pytest.mark.parametrize(("query", "expected"), OF_ALL_TYPES)
async def test_a_reverse_chain_is_asked_of_all_types(
    call: Call, query: str, expected: set[str]
) -> None:
    await fill(call)

    await assert_found(call, None, query, expected)
    blind = seeing_types(call, "Patient", "Group", "Practitioner", "Organization")
    if "Observation" in query:
        assert ids(await searched(blind, None, query)) == set()


async def test_a_reverse_chain_is_asked_of_all_that_is_in_a_compartment(call: Call) -> None:
    await fill(call)
    pairs = [("_has:DiagnosticReport:result:status", "final")]

    found = await search(call, None, pairs, after=None, now=0, owner=Key("Patient", "ada"))

    assert ids(found) == {"pulse"}
