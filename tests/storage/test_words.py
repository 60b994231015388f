"""The index of words: built when asked for, never behind in an answer, and nothing that a write pays for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import TooCostly, Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import AllOf, AnyOf, HasTermBetween, HasWords, Not, Plan
from fhir_server.search.phrases import Phrase
from fhir_server.search.record import NO_DATE, IndexRecord
from fhir_server.search.words import texts_of
from fhir_server.storage.contract import Delete, Draft, Expect, Expectation, Put, Store, Unchanged
from fhir_server.storage.sqlite import store as sqlite_store
from fhir_server.storage.sqlite import words
from fhir_server.storage.sqlite.emptying import empty_store
from fhir_server.storage.sqlite.reindexing import reindex
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.scrub import scrub
from fhir_server.storage.sqlite.searching import Searcher
from fhir_server.storage.sqlite.store import open_store
from fhir_server.storage.sqlite.writer import Writer
from fhir_server.storage.upkeep import Finding
from tests.storage.conftest import ticking

EVERYTHING = Visibility.everything("test")


def a_record(logical_id: str) -> IndexRecord:
    return IndexRecord(logical_id, ("family!X",), (), (), NO_DATE, (logical_id,), (logical_id,))


def extract(body: bytes) -> IndexRecord:
    return a_record(msgspec.json.decode(body)["id"])


def a_note(logical_id: str, text: str, kind: str = "Condition") -> Put:
    """Return the write of a resource with one string."""
    rest = b'"note":' + msgspec.json.encode(text)
    return Put(Draft(Key(kind, logical_id), b"", rest, a_record(logical_id)))


def asking(word: str) -> Plan:
    return Plan(frozenset({"Condition"}), HasWords("content", Phrase((word,))))


async def found(store: Store, word: str, sight: Visibility = EVERYTHING) -> list[str]:
    page = await store.search(sight, asking(word), None, 100)
    assert (await store.count(sight, asking(word))).number == len(page.rows)
    return sorted(row.stored.key.id for row in page.rows)


def tables(path: Path) -> set[str]:
    connection = apsw.Connection(str(path))
    names = {str(each) for (each,) in connection.execute("SELECT name FROM sqlite_schema")}
    connection.close()
    return {each for each in names if each.startswith("words")}


def findings(path: Path) -> list[str]:
    return [f"{e.subject}: {e.problem}" for e in scrub(path, extract) if isinstance(e, Finding)]


STEPS = {"few resources": {"TOGETHER": 2}, "little time": {"SECONDS_TOGETHER": 0}}


@pytest.fixture(autouse=True, params=STEPS)
def nothing_fresh(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each search wait for the index, and each of its steps be a short one."""
    monkeypatch.setattr(words, "FRESH", 0)
    for name, number in STEPS[request.param].items():
        monkeypatch.setattr(words, name, number)


async def test_a_search_that_would_wait_too_long_is_refused_and_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(tmp_path / "store.db", clock=ticking()) as store:
        await store.write([a_note(str(each), "bone") for each in range(9)], atomic=True)
        with monkeypatch.context() as patches:
            patches.setattr(sqlite_store, "WORDS_SECONDS", 0)
            with pytest.raises(TooCostly, match=r"\d+ % so far: try again"):
                await store.search(EVERYTHING, asking("bone"), None, 10)

        assert len(await found(store, "bone")) == 9


async def found_or_refused(store: Store) -> list[str]:
    """Return what is found; nothing, and give the writer time, where the search may not wait as long."""
    try:
        return await found(store, "bone")
    except TooCostly:
        await asyncio.sleep(0)
        return []


async def test_what_is_being_indexed_goes_on_for_those_who_ask_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, clock=ticking()) as store:
        await store.write([a_note(str(each), "bone") for each in range(50)], atomic=True)
        monkeypatch.setattr(sqlite_store, "WORDS_SECONDS", 0.001)
        refusals = 0
        while not (there := await found_or_refused(store)):
            refusals += 1
            assert refusals < 1_000

        assert refusals > 0
        assert len(there) == 50


async def test_too_much_that_is_not_indexed_is_never_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(tmp_path / "store.db", clock=ticking()) as store:
        await store.write([a_note(str(each), "bone") for each in range(6)], atomic=True)
    connection = connect(tmp_path / "store.db", read_only=True)
    monkeypatch.setattr(words, "MOST_FRESH", 5)

    with pytest.raises(TooCostly, match="try again"):
        Searcher(connection).count(EVERYTHING, asking("bone"))

    monkeypatch.setattr(words, "MOST_FRESH", 6)
    assert Searcher(connection).count(EVERYTHING, asking("bone")).number == 6
    connection.close()


async def test_an_index_that_cannot_be_written_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(tmp_path / "store.db", clock=ticking()) as store:
        await store.write([a_note("a", "bone")], atomic=True)
        with monkeypatch.context() as patches:
            patches.setattr(words, "REMEMBER", "INSERT INTO nowhere VALUES(?,?,?,?)")
            with pytest.raises(Unavailable, match="SQLError"):
                await found(store, "bone")

        await store.write([a_note("b", "bone")], atomic=True)
        assert await found(store, "bone") == ["a", "b"]


async def test_a_store_that_closes_indexes_no_more(tmp_path: Path) -> None:
    writer = Writer(connect(tmp_path / "store.db"), ticking())
    asked = asyncio.ensure_future(writer.index_words())
    await asyncio.sleep(0)
    writer.close()
    await writer.run()

    with pytest.raises(Unavailable, match="closing"):
        await asked
    with pytest.raises(Unavailable, match="closing"):
        await writer.index_words()


async def test_a_store_that_is_never_asked_for_words_has_no_index_of_them(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, clock=ticking()) as store:
        await store.write([a_note("a", "bone")], atomic=True)
        await store.search(EVERYTHING, Plan(frozenset({"Condition"})), None, 10)
        assert tables(path) == set()

        assert await found(store, "bone") == ["a"]

    assert {"words", "words_until"} <= tables(path)
    assert findings(path) == []


async def test_few_new_resources_are_found_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "FRESH", 3)
    path = tmp_path / "store.db"
    async with open_store(path, clock=ticking()) as store:
        assert await found(store, "bone") == []
        await store.write([a_note(each, "bone") for each in "abc"], atomic=True)

        assert await found(store, "bone") == ["a", "b", "c"]

    assert tables(path) == set()


@pytest.mark.parametrize("fresh", [0, 100])
async def test_changes_and_deletions_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: int
) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, clock=ticking()) as store:
        await store.write([a_note(each, "bone") for each in "abcd"], atomic=True)
        assert await found(store, "bone") == ["a", "b", "c", "d"]
        monkeypatch.setattr(words, "FRESH", fresh)

        await store.write([a_note("a", "liver"), Delete(Key("Condition", "b"))], atomic=True)

        assert await found(store, "bone") == ["c", "d"]
        assert await found(store, "liver") == ["a"]
        await store.write([a_note("b", "liver")], atomic=True)
        assert await found(store, "liver") == ["a", "b"]
        assert await found(store, "bone", EVERYTHING.of_patient("c")) == ["c"]
        assert await found(store, "bone", EVERYTHING.of_patient("a")) == []
    assert findings(path) == []


@pytest.mark.parametrize("fresh", [0, 100])
async def test_words_are_looked_at_beside_what_only_the_record_tells(
    store: Store, monkeypatch: pytest.MonkeyPatch, fresh: int
) -> None:
    monkeypatch.setattr(words, "FRESH", fresh)
    never = HasTermBetween("family!Y", "family!Z")
    bone = HasWords("content", Phrase(("bone",)))
    await store.write([a_note("a", "bone"), a_note("b", "liver")], atomic=True)

    for predicate, expected in (
        (AnyOf((never, bone)), ["a"]),
        (AnyOf((never, Not(bone))), ["b"]),
        (AllOf((Not(never), AnyOf((never, bone)))), ["a"]),
    ):
        plan = Plan(frozenset({"Condition"}), predicate)
        page = await store.search(EVERYTHING, plan, None, 10)
        assert [row.stored.key.id for row in page.rows] == expected


async def test_a_precondition_sees_the_words_of_what_the_same_write_wrote(store: Store) -> None:
    await store.write([a_note("a", "bone")], atomic=True)
    assert await found(store, "liver") == []
    expectation = Expectation(EVERYTHING, asking("liver"), frozenset({Key("Condition", "b")}))

    answers = await store.write([a_note("b", "liver"), Expect(expectation)], atomic=True)

    assert answers[1] == Unchanged(None)


async def test_two_processes_may_index_the_same_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with (
        open_store(path, clock=ticking()) as one,
        open_store(path, clock=ticking()) as other,
    ):
        await one.write([a_note(str(each), "bone") for each in range(20)], atomic=True)

        answers = await asyncio.gather(found(one, "bone"), found(other, "bone"))

        assert [len(each) for each in answers] == [20, 20]
        await other.write([a_note("x", "bone")], atomic=True)
        assert len(await found(one, "bone")) == 21
    assert findings(path) == []


@pytest.mark.parametrize("command", ["reindex", "reset"])
async def test_a_command_that_starts_over_drops_the_index_under_a_running_server(
    tmp_path: Path, command: str
) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, clock=ticking()) as store:
        await store.write([a_note("a", "bone"), a_note("b", "liver")], atomic=True)
        assert await found(store, "bone") == ["a"]

        if command == "reindex":
            list(reindex(path, extract))
        else:
            empty_store(path)

        assert tables(path) == set()
        assert await found(store, "bone") == (["a"] if command == "reindex" else [])
        await store.write([a_note("c", "bone")], atomic=True)
        assert "c" in await found(store, "bone")
    assert findings(path) == []


DAMAGES = [
    ("DELETE FROM words WHERE rowid=1", "Condition/a: the index of words counts () words"),
    (
        "REPLACE INTO words(rowid, type, others) VALUES(1,'Condition','bone bone')",
        "Condition/a: the index of words counts (0, 2) words, the body has (0, 1)",
    ),
    ("INSERT INTO words(rowid, type, others) VALUES(9,'Condition','bone')", "table words: 1 rows"),
    ("INSERT INTO words(rowid, type, others) VALUES(3,'Condition','bone')", "table words: 1 rows"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES, ids=[each[0] for each in DAMAGES])
async def test_the_scrub_finds_what_is_wrong_with_the_index(
    tmp_path: Path, damage: str, said: str
) -> None:
    path = tmp_path / "store.db"
    async with open_store(path, clock=ticking()) as store:
        await store.write([a_note(each, "bone") for each in "abc"], atomic=True)
        await store.write([Delete(Key("Condition", "c"))], atomic=True)
        await found(store, "bone")
    assert findings(path) == []

    connection = apsw.Connection(str(path))
    connection.execute(damage)
    connection.close()

    assert [said in each for each in findings(path)] == [True]


async def test_a_number_beyond_all_floats_is_no_hindrance(store: Store) -> None:
    put = Put(Draft(Key("Condition", "a"), b"", b'"n":1e400,"note":"bone"', a_record("a")))
    await store.write([put, a_note("b", "bone")], atomic=True)

    assert await found(store, "bone") == ["a", "b"]


async def test_a_type_in_words_is_no_type(store: Store) -> None:
    await store.write([a_note("a", "observation"), a_note("b", "x", "Observation")], atomic=True)

    assert await found(store, "observation") == ["a"]
    assert await found(store, "condition") == []


@given(text=st.text(), others=st.lists(st.text(), max_size=3))
def test_the_index_takes_words_for_what_they_are(text: str, others: list[str]) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(words.TABLES)
    connection.execute("CREATE VIRTUAL TABLE term USING fts5vocab(words, row)")
    texts = texts_of({"text": {"div": text}, "note": others})

    connection.execute(words.REMEMBER, (1, "Condition", texts.narrative, texts.others))

    indexed = {str(each) for (each,) in connection.execute("SELECT term FROM term")}
    assert indexed == {"condition", *texts.narrative.split(), *texts.others.split()}
