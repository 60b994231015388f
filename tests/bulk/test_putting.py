"""Many drafts at once, while the search parameters change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.bulk.preparing import Parameters, indexing_by, preparation
from fhir_server.bulk.putting import parameters_in, put_all
from fhir_server.fhir.resource import Key
from fhir_server.interactions.drafting import prepare
from fhir_server.storage.contract import Draft, Unchanged, Written
from tests.catalogue.nodes import LANGUAGE, Node, a_node, a_patient
from tests.support.data import ROOT

MADE_WITH = preparation(ROOT / "profiles" / "r4", "")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """Return a process on an empty store."""
    async with a_node(tmp_path / "store.db") as opened:
        yield opened


def drafts(number: int) -> list[Draft]:
    """Return drafts that know R4's search parameters alone."""
    return [
        prepare(MADE_WITH, a_patient(f"p{each}", "fr"), Key("Patient", f"p{each}"))
        for each in range(number)
    ]


async def test_drafts_made_before_a_parameter_was_are_indexed_by_it(node: Node) -> None:
    prepared = drafts(3)
    await node.put(LANGUAGE)
    await node.settle()

    answers = await put_all(node.store, node.register, prepared)

    assert [type(each) for each in answers] == [Written] * 3
    assert await node.found("Patient", spoken="fr") == ["p0", "p1", "p2"]
    again = await put_all(node.store, node.register, prepared)
    assert [type(each) for each in again] == [Unchanged] * 3


async def test_drafts_are_indexed_by_what_the_store_says_and_not_what_this_process_knew(
    node: Node, tmp_path: Path
) -> None:
    async with a_node(tmp_path / "store.db") as other:
        await other.put(LANGUAGE)
        await other.settle()

    await put_all(node.store, node.register, drafts(2))

    assert await node.found("Patient", spoken="fr") == ["p0", "p1"]


async def test_a_preparing_process_takes_over_the_parameters_of_the_moment(node: Node) -> None:
    assert indexing_by(MADE_WITH, Parameters()) is MADE_WITH
    await node.put(LANGUAGE)
    await node.register.refresh()

    made_with = indexing_by(MADE_WITH, parameters_in(node.register.current))
    draft = prepare(made_with, a_patient("ada", "fr"), Key("Patient", "ada"))

    assert draft.generation == node.register.current.stamp.generation
    assert any(each.startswith("spoken=fr") for each in draft.record.terms)
    assert isinstance((await put_all(node.store, node.register, [draft]))[0], Written)
