"""Who is denied a resource is denied what tells of it: each store, each way to read, whatever was written first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from pymongo import MongoClient

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.policy.decision import Decision
from fhir_server.search.expression import HasTerm, Plan
from fhir_server.search.record import IndexRecord, reference_term
from fhir_server.storage.contract import Delete, Draft, Put, Store
from fhir_server.storage.pages import HistoryScope
from fhir_server.storage.sqlite.marking import mark_indexed
from fhir_server.storage.sqlite.schema import ABOUT, STEPS, connect
from fhir_server.storage.sqlite.store import open_store
from fhir_server.storage.upkeep import Finding, People
from tests.storage.conftest import BACKENDS, ENFORCEMENT, START, ticking
from tests.storage.test_denials import (
    ALL,
    CARE,
    DENY_ALL,
    EMERGENCY,
    EVERYTHING,
    a_consent,
    a_patient,
    an_observation,
    found,
    sees,
    write,
)
from tests.storage.test_upkeep import UPKEEP
from tests.support import mongo
from tests.support.steps import every

TOLD = Key("Provenance", "p")
OF_OBSERVATIONS = replace(DENY_ALL, kinds=frozenset({"Observation"}))


def telling(name: str, *about: str, kind: str = "Provenance") -> Put:
    """Return what tells of these, and names nobody."""
    terms = tuple(sorted(reference_term("target", each) for each in about))
    own = IndexRecord(name, terms, (), (), START, (), (), about=tuple(sorted(about)))
    return Put(Draft(Key(kind, name), b"", b'"about":"%b"' % " ".join(about).encode(), own))


@pytest.fixture
async def ward(store: Store) -> Store:
    """Return a store in which Ada denies everything to everybody, and Grace nothing."""
    await write(
        store,
        *map(a_patient, ("ada", "grace")),
        an_observation("a", "ada"),
        an_observation("g", "grace"),
        a_consent("ada", DENY_ALL),
    )
    return store


async def provenances(store: Store) -> set[str]:
    """Return those that care finds."""
    return {each for each in await found(store, sees(CARE)) if each.startswith("Provenance/")}


async def test_each_way_to_read_hides_what_tells_of_the_denied(ward: Store) -> None:
    await write(ward, telling("p", "Observation/g"), telling("p", "Observation/a"))
    sight, plan = sees(CARE), Plan(frozenset({"Provenance"}))
    target = HasTerm(reference_term("target", "Observation/a"))
    scanned = [str(each.key) async for each in ward.scan(sight, EVERYTHING, await ward.now())]

    assert await ward.read(sight, TOLD) is None
    assert await ward.read(sight, TOLD, 1) is None
    assert await ward.read(sight, TOLD, 2) is None
    assert await ward.read_many(sight, [TOLD]) == []
    assert (await ward.search(sight, plan, None, 9)).rows == ()
    assert (await ward.count(sight, plan)).number == 0
    assert (await ward.count(sight, replace(plan, predicate=target))).number == 0
    assert (await ward.history(sight, HistoryScope("Provenance", "p"), None, 9)).versions == ()
    assert await ward.walk(sight, "Provenance", after="", highest=2**62, limit=9) == []
    assert "Provenance/p" not in scanned
    assert (await ward.count(ALL, plan)).number == 1


async def test_what_tells_of_what_is_shown_is_shown(ward: Store) -> None:
    await write(ward, telling("p", "Observation/g"), telling("n", "Observation/none"))

    assert await provenances(ward) == {"Provenance/p", "Provenance/n"}


async def test_one_that_is_denied_hides_it_among_however_many(ward: Store) -> None:
    await write(ward, telling("p", "Observation/g", "Observation/a", "Observation/none"))

    assert await provenances(ward) == set()


async def test_it_makes_no_difference_which_was_written_first(ward: Store) -> None:
    await write(ward, telling("p", "Observation/later"))
    before = await provenances(ward)
    await write(ward, an_observation("later", "ada"))

    assert before == {"Provenance/p"}
    assert await provenances(ward) == set()


async def test_it_follows_whom_a_resource_is_about_by_now(ward: Store) -> None:
    await write(ward, telling("p", "Observation/g"), an_observation("g", "ada"))
    moved = await provenances(ward)
    await write(ward, an_observation("g", "grace"))

    assert moved == set()
    assert await provenances(ward) == {"Provenance/p"}


async def test_it_follows_what_is_laid_down_from_the_next_statement_on(ward: Store) -> None:
    await write(ward, telling("p", "Observation/a"))
    denied = await provenances(ward)
    await write(ward, Delete(Key("Consent", "c")))

    assert denied == set()
    assert await provenances(ward) == {"Provenance/p"}


async def test_what_tells_of_it_through_others_is_hidden_too_even_in_a_circle(ward: Store) -> None:
    await write(
        ward,
        telling("t", "Provenance/p", kind="Task"),
        telling("p", "Task/t", "Provenance/q"),
        telling("q", "Observation/a"),
        telling("free", "Provenance/free2"),
        telling("free2", "Provenance/free"),
    )

    assert await provenances(ward) == {"Provenance/free", "Provenance/free2"}
    assert await ward.read(sees(CARE), Key("Task", "t")) is None


async def test_a_denial_of_one_type_hides_what_tells_of_it(ward: Store) -> None:
    await write(ward, telling("p", "Observation/a"), telling("c", "Condition/a"))
    await write(
        ward, an_observation("a", "ada", kind="Condition"), a_consent("ada", OF_OBSERVATIONS)
    )

    assert await provenances(ward) == {"Provenance/c"}


async def test_what_is_deleted_is_told_of_no_more_than_before(ward: Store) -> None:
    await write(ward, telling("p", "Observation/a"), telling("q", "Observation/a"))
    await write(ward, Delete(Key("Observation", "a")), Delete(Key("Provenance", "q")))
    history = await ward.history(sees(CARE), HistoryScope("Provenance"), None, 9)

    assert await provenances(ward) == set()
    assert await ward.read(sees(CARE), Key("Provenance", "q")) is None
    assert history.versions == ()


async def test_a_past_version_tells_of_what_it_told_of_then(ward: Store) -> None:
    await write(ward, telling("p", "Observation/a"), telling("p", "Observation/g"))
    history = await ward.history(sees(CARE), HistoryScope("Provenance", "p"), None, 9)

    assert await ward.read(sees(CARE), TOLD) is not None
    assert await ward.read(sees(CARE), TOLD, 1) is None
    assert [each.version for each in history.versions] == [2]


async def test_an_emergency_opens_what_tells_of_its_person(ward: Store) -> None:
    await write(ward, telling("p", "Observation/a"))
    opened = sees(EMERGENCY, emergency=frozenset({"ada"}))

    assert await ward.read(sees(EMERGENCY), TOLD) is None
    assert await ward.read(opened, TOLD) is not None
    assert "Provenance/p" in await found(ward, opened)


async def test_why_it_is_denied_is_told(ward: Store) -> None:
    await write(ward, telling("p", "Observation/g", "Observation/a"), telling("g", "Observation/g"))

    told = [
        await ward.decision(Key("Provenance", each), CARE, at=START) for each in ("p", "g", "x")
    ]

    assert told == [
        Decision("deny", "consent:deny", ("Consent/c",)),
        Decision("permit", "default:direct-care"),
        None,
    ]


def extract(body: bytes) -> IndexRecord:
    """Return the record of what `telling` wrote."""
    resource = msgspec.json.decode(body)
    return telling(resource["id"], *resource["about"].split()).draft.record


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_nobody_knows_is_hidden_until_it_is_indexed_anew(
    backend: str, tmp_path: Path
) -> None:
    async with BACKENDS[backend](tmp_path) as store:
        await write(store, telling("p", "Observation/g"), telling("p", "Observation/h"))
        await write(store, telling("q", "Observation/g"), Delete(Key("Provenance", "q")))
    with UPKEEP[backend](tmp_path) as upkeep:
        forget(backend, tmp_path)
        people = People(ENFORCEMENT, lambda _: None)
        before = await every(upkeep.scrub(extract, unsettled=(), enforcement=ENFORCEMENT))
        async for _ in upkeep.reindex(extract, generation=0, people=people, zone="Europe/London"):
            pass
        after = await every(upkeep.scrub(extract, unsettled=(), enforcement=ENFORCEMENT))
    async with BACKENDS[backend](tmp_path) as store:
        await write(store, a_patient("ada"), a_consent("ada", DENY_ALL))
        await write(store, an_observation("g", "ada"))
        sight = sees(CARE)

        assert any(
            "what it tells of" in each.problem for each in before if isinstance(each, Finding)
        )
        assert [each for each in after if isinstance(each, Finding)] == []
        assert await store.read(sight, TOLD) is not None
        assert await store.read(sight, TOLD, 1) is None
        assert await store.read(sight, Key("Provenance", "q")) is None


def forget(backend: str, folder: Path) -> None:
    """Have a store know nothing of what its resources tell of, as one of an earlier release."""
    if backend == "sqlite":
        with apsw.Connection(str(folder / "store.db")) as connection:
            connection.execute("DELETE FROM about")
        return
    with mongo.database(folder) as url, MongoClient[Any](url) as client:
        for name in ("resource", "history"):
            client.get_default_database()[name].update_many({}, {"$unset": {"a": ""}})


async def test_a_database_that_does_not_say_what_it_tells_of_shows_none_of_it(
    tmp_path: Path,
) -> None:
    async with BACKENDS["mongo"](tmp_path) as store:
        await write(store, telling("p", "Observation/g"))
        forget("mongo", tmp_path)

        assert await store.read(sees(CARE), TOLD) is None
        assert await provenances(store) == set()
        assert await store.read(ALL, TOLD) is not None


async def test_a_file_of_an_earlier_release_with_such_resources_is_to_be_indexed_anew(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    connection = apsw.Connection(str(path))
    for step in STEPS[: STEPS.index(ABOUT)]:
        connection.execute(step)
    connection.execute(
        "INSERT INTO resource VALUES(1,'Provenance','p',1,5,'PUT',0,0,0,x'00',x'7b7d')"
    )
    connection.pragma("user_version", STEPS.index(ABOUT))
    connection.close()
    mark_indexed(connect(path))

    async with open_store(path, clock=ticking(), enforcement=ENFORCEMENT) as store:
        with pytest.raises(Unavailable, match="fhir-server reindex"):
            await store.read(sees(CARE), TOLD)
