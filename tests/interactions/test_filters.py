"""Filters over stored resources: in chains, in compartments, and under a caller's sight."""

from __future__ import annotations

import pytest

from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.create import create
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.search import search
from tests.interactions.builders import an_observation, seeing_types
from tests.interactions.test_chaining import a_coded, fill
from tests.interactions.test_search import assert_found, ids, searched

FOUND = [
    ("Patient", 'name co "ovel" or name eq smith', {"ada", "bob"}),
    ("Patient", "not (gender eq male) and identifier eq 9990000001", {"ada"}),
    ("Patient", "gender eq female or identifier eq 9990000002 and gender eq male", {"bob"}),
    ("Patient", "family ew th", {"bob"}),
    ("Observation", "subject[gender eq male].name sw smi", {"versioned"}),
    ("Observation", "subject[gender eq female].name sw smi", set()),
    ("Observation", "subject.name sw smi or subject:Group.type eq person", {"versioned", "of-group"}),
    ("Observation", "code eq 1234-5 and not (status eq amended)", {"absolute"}),
    ("Patient", "_has:Observation:patient:code eq 1234-5", {"ada"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "expected"), FOUND)
async def test_a_filter_finds_what_it_says(
    call: Call, kind: str, text: str, expected: set[str]
) -> None:
    await fill(call)

    await assert_found(call, kind, f"_filter={text}", expected)


async def test_what_a_reverse_chain_filters_holds_of_one_and_the_same_resource(call: Call) -> None:
    await fill(call)
    both = "code eq 1234-5 and performer re Practitioner/who"

    apart = (
        "_has:Observation:patient:code=1234-5&_has:Observation:patient:performer=Practitioner/who"
    )

    assert ids(await searched(call, "Patient", apart)) == {"ada"}
    assert ids(await searched(call, "Patient", f"_has:Observation:patient:_filter={both}")) == set()


async def test_a_hidden_resource_cannot_be_inferred_through_a_filter(call: Call) -> None:
    await fill(call)
    blind = seeing_types(call, "Observation")

    for text in ("subject.name sw love", "subject[gender pr true]._id eq ada"):
        assert ids(await searched(call, "Observation", f"_filter={text}"))
        assert ids(await searched(blind, "Observation", f"_filter={text}")) == set()


async def test_a_compartment_is_filtered(call: Call) -> None:
    await fill(call)
    pairs = [("_filter", "code eq 1234-5 or status eq amended")]

    found = await search(call, "Observation", pairs, after=None, now=0, owner=Key("Patient", "ada"))

    assert ids(found) == {"absolute"}


async def test_the_criteria_of_a_conditional_create_may_be_a_filter(call: Call) -> None:
    await fill(call)
    again = an_observation("Patient/ada", code=a_coded("1234-5"))

    saved = await create(
        call, "Observation", again, if_none_exist="_filter=code+eq+1234-5+and+status+eq+final"
    )

    assert isinstance(saved, Saved)
    assert saved.stored.key.id == "absolute"
