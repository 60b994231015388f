"""What was there before a parameter is indexed by it, whatever else goes on meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from random import Random

import anyio
import anyio.lowlevel
import pytest

from fhir_server.catalogue import backfill as module
from fhir_server.fhir.errors import BadRequest, OutdatedIndex
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import Key, Resource, Stored
from fhir_server.search.filtering import NotYetSearchable
from fhir_server.storage.parameters import Reindex
from fhir_server.storage.sqlite.scrub import scrub
from fhir_server.storage.upkeep import Finding
from tests.catalogue.nodes import (
    EVERYTHING,
    LANGUAGE,
    LATER,
    NOW,
    TITLE,
    Node,
    a_node,
    a_parameter,
    a_patient,
)

LANGUAGES = ("fr", "de", "cy", None)


@pytest.fixture(autouse=True)
def few_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small stores take several steps."""
    monkeypatch.setattr(module, "TOGETHER", 10)


async def filled(node: Node, number: int) -> None:
    """Write patients who speak one language after another."""
    async with anyio.create_task_group() as writers:
        for each in range(number):
            patient = a_patient(f"p{each:03}", LANGUAGES[each % len(LANGUAGES)])
            writers.start_soon(node.put, patient)


async def spoken(node: Node, language: str) -> list[str]:
    """Return who speaks a language by what the bodies say."""
    bodies = [parse_resource(each.body or b"") for each in await everyone(node)]
    return sorted(each["id"] for each in bodies if _speaks(each, language))


def _speaks(patient: Resource, language: str) -> bool:
    return any(
        coding["code"] == language
        for each in patient.get("communication", ())
        for coding in each["language"]["coding"]
    )


def findings(node: Node, path: Path) -> list[Finding]:
    """Return what is wrong with the store by what is in force."""
    extractor = node.register.current.extractor
    found = scrub(path, lambda body: extractor.extract(parse_resource(body)))
    return [each for each in found if isinstance(each, Finding)]


async def test_a_record_of_another_generation_is_refused(node: Node) -> None:
    await node.put(a_patient("ada", "fr"))
    old = node.register.current.extractor
    record = old.extract(a_patient("ada", "fr"))
    await node.put(LANGUAGE)
    await node.register.refresh()

    op = Reindex(Key("Patient", "ada"), 1, record, old.generation)
    with pytest.raises(OutdatedIndex):
        await node.store.write([op], atomic=False)


async def test_only_one_process_works_until_it_falls_silent(node: Node, other: Node) -> None:
    await filled(node, 30)
    await node.put(LANGUAGE)

    assert await node.backfill.step(NOW)
    assert await node.backfill.step(NOW)
    assert not await other.backfill.step(NOW)

    assert await other.settle(LATER) > 0
    assert await other.states() == {"spoken": "enabled"}
    assert not await node.backfill.step(LATER)


async def test_a_process_that_ends_gives_the_work_back(node: Node, other: Node) -> None:
    await filled(node, 30)
    await node.put(LANGUAGE)
    await node.backfill.step(NOW)

    await node.backfill.release()

    assert await other.settle(NOW) > 0
    assert await node.found("Patient", spoken="fr") == await spoken(node, "fr")


async def test_a_backfill_that_was_cut_off_goes_on_where_it_stopped(path: Path) -> None:
    async with a_node(path) as node:
        await filled(node, 100)
        await node.put(LANGUAGE)
        for _ in range(8):
            await node.backfill.step(NOW)
        await node.register.refresh()
        (entry,) = node.register.current.catalogue.entries
        before = node.register.current.catalogue.percent_of(entry)

    async with a_node(path) as node:
        with pytest.raises(NotYetSearchable, match="backfilling"):
            await node.found("Patient", spoken="fr")
        (entry,) = node.register.current.catalogue.entries
        assert node.register.current.catalogue.percent_of(entry) == before > 20
        steps = await node.settle(LATER)

        assert steps < 10
        assert await node.found("Patient", spoken="fr") == await spoken(node, "fr")
        assert findings(node, path) == []


async def test_a_store_is_clean_at_any_moment_of_a_backfill(node: Node, path: Path) -> None:
    await filled(node, 40)
    await node.put(LANGUAGE)
    await node.backfill.step(NOW)
    await node.backfill.step(NOW)
    extractor = node.register.current.extractor
    unsettled = node.register.current.catalogue.work

    def problems(types: Collection[str]) -> int:
        found = scrub(path, lambda body: extractor.extract(parse_resource(body)), unsettled=types)
        return sum(isinstance(each, Finding) for each in found)

    assert problems(unsettled) == 0
    assert problems(()) > 0
    await node.settle()
    assert problems(()) == 0


@pytest.mark.parametrize("seed", range(6))
async def test_a_search_after_it_is_enabled_finds_what_the_bodies_say_whoever_wrote_meanwhile(
    node: Node, other: Node, path: Path, seed: int
) -> None:
    await filled(node, 120)
    dice = Random(seed)

    async def write(writer: Node) -> None:
        for _ in range(60):
            name = f"p{dice.randrange(160):03}"
            if dice.random() < 0.2:
                await writer.register.settled(lambda _, name=name: writer.delete("Patient", name))  # type: ignore[misc]
            else:
                await writer.put(a_patient(name, dice.choice(LANGUAGES)))
            await anyio.lowlevel.checkpoint()

    async def work(worker: Node) -> None:
        for step in range(40):
            await worker.backfill.step(NOW + step * 20_000_000)
            await anyio.lowlevel.checkpoint()

    async def look(reader: Node) -> None:
        for _ in range(60):
            before = await spoken(reader, "fr")
            with suppress(BadRequest):
                found = await reader.found("Patient", spoken="fr")
                # Where nobody wrote meanwhile, the search is refused or complete.
                assert before != await spoken(reader, "fr") or found == before
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as all_at_once:
        for each in (node, other):
            all_at_once.start_soon(write, each)
            all_at_once.start_soon(work, each)
            all_at_once.start_soon(look, each)
        all_at_once.start_soon(node.put, LANGUAGE)
    await node.settle(LATER * 2)
    await other.settle(LATER * 3)

    assert await node.found("Patient", spoken="fr") == await spoken(node, "fr")
    assert await other.found("Patient", **{"spoken:missing": "true"}) == sorted(
        {each.key.id for each in await everyone(node)}
        - {name for language in LANGUAGES[:3] for name in await spoken(node, language or "")}
    )
    assert findings(node, path) == []


async def everyone(node: Node) -> list[Stored]:
    return [*await node.store.walk(EVERYTHING, "Patient", after="", highest=2**62, limit=1000)]


async def test_a_second_parameter_on_the_type_does_not_disturb_the_first(node: Node) -> None:
    await filled(node, 30)
    await node.put(LANGUAGE)
    await node.settle()
    before = await node.found("Patient", spoken="fr")

    await node.put(TITLE)
    for _ in range(3):
        await node.backfill.step(NOW)

    assert await node.states() == {"spoken": "enabled", "title": "backfilling"}
    assert await node.found("Patient", spoken="fr") == before


async def test_a_parameter_that_would_overfill_a_record_is_refused_as_a_whole(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    coding = [{"system": "urn:x", "code": f"c{each}"} for each in range(40)]
    many = a_patient("many", None, contact=[{"relationship": [{"coding": coding}]}])
    await node.put(a_patient("ada", "fr"), many)
    monkeypatch.setattr("fhir_server.search.indexing.MOST_ENTRIES", 30)

    await node.put(a_parameter("kin", "Patient.contact.relationship"))
    await node.settle()

    assert await node.states() == {"kin": "refused"}
    (entry,) = node.register.current.catalogue.entries
    assert "Patient cannot be indexed by it" in entry.reason
    await node.put(many | {"gender": "other"})
    rows = await node.store.read_many(EVERYTHING, [Key("Patient", "ada"), Key("Patient", "many")])
    assert not any(term.startswith("kin") for row in rows for term in row.record.terms)
