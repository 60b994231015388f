"""What is remembered of denials is forgotten with the first that changes, whoever changed it, at whatever moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import apsw
import pytest

from fhir_server.policy.decision import EVER
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import Plan
from fhir_server.storage.contract import Store
from fhir_server.storage.sqlite import denials
from fhir_server.storage.sqlite.admitting import NotAdmitted
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher
from fhir_server.storage.sqlite.undenied import MOST_LOOKS, Undenied
from tests.storage.conftest import START, open_sqlite
from tests.storage.test_denials import (
    CARE,
    RESEARCH,
    a_patient,
    an_observation,
)

KEY = RESEARCH.key
SIGHT = Visibility.everything("test").of_audience(RESEARCH, at=START)
OBSERVATIONS = Plan(frozenset({"Observation"}))
NOTHING_READ = "SELECT 1"
TURNS = 60
A_DENIAL = "INSERT INTO denial VALUES(?, 7, '*', 0, 1)"


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[apsw.Connection]:
    """Return the connection of another process, on a store with one audience."""
    connection = connect(tmp_path / "store.db")
    connection.execute("INSERT INTO audience(audience, content) VALUES(?, x'')", (KEY,))
    yield connection
    connection.close()


@pytest.fixture
def undenied(tmp_path: Path, writing: apsw.Connection) -> Iterator[Undenied]:
    """Return what knows that nothing of the owner classes 7 and 8 is denied, on a connection that has just read."""
    connection = connect(tmp_path / "store.db", read_only=True)
    known = Undenied(connection)
    assert known.holds(RESEARCH, {7}) is None
    assert known.holds(RESEARCH, {7, 8}) is True
    yield known
    connection.close()
    assert not writing.in_transaction


def statements(connection: apsw.Connection) -> list[str]:
    """Return a list of the statements that a connection runs from now on."""
    seen: list[str] = []

    def begun(_: apsw.Cursor, text: str, __: Any) -> bool:
        seen.append(text)
        return True

    connection.exec_trace = begun
    return seen


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO denial VALUES({key}, 9, '*', 0, 1)",
        "UPDATE denial SET owner=8",
        "DELETE FROM denial",
        "INSERT INTO audience(audience, content) VALUES(5, x'')",
        "UPDATE audience SET audience=-audience",
        "DELETE FROM audience",
    ],
)
def test_after_every_change_nothing_is_known(
    undenied: Undenied, writing: apsw.Connection, change: str
) -> None:
    writing.execute("INSERT INTO denial VALUES(1, 1, '*', 0, 1)")
    undenied.connection.execute(NOTHING_READ).fetchall()
    undenied.holds(RESEARCH, {7})
    undenied.holds(RESEARCH, {7, 8})

    writing.execute(change.format(key=KEY))
    undenied.connection.execute("SELECT * FROM resource").fetchall()

    assert undenied.holds(RESEARCH, {7}) is None


def test_a_denial_that_comes_after_the_page_was_read_is_not_missed_for_the_page(
    undenied: Undenied, writing: apsw.Connection
) -> None:
    undenied.connection.execute("SELECT * FROM resource").fetchall()
    writing.execute(A_DENIAL, (KEY,))

    # The page is of the moment before, and so is what is known: it may be shown. The next one may not.
    assert undenied.holds(RESEARCH, {7}) is True
    undenied.connection.execute("SELECT * FROM resource").fetchall()
    assert undenied.holds(RESEARCH, {7}) is None
    assert undenied.holds(RESEARCH, {7}) is False


def test_a_denial_that_comes_between_the_page_and_the_look_cannot_be_told_apart(
    undenied: Undenied, writing: apsw.Connection
) -> None:
    undenied.connection.execute("SELECT * FROM resource").fetchall()
    writing.execute("INSERT INTO denial VALUES(?, 1, '*', 0, 1)", (KEY,))

    assert undenied.holds(RESEARCH, {9}) is None


def test_of_an_audience_that_is_not_worked_out_nothing_is_told(undenied: Undenied) -> None:
    with pytest.raises(NotAdmitted):
        undenied.holds(CARE, {7})


def test_of_many_unknown_owner_classes_none_is_looked_for(undenied: Undenied) -> None:
    many = set(range(100, 101 + MOST_LOOKS))
    seen = statements(undenied.connection)

    assert undenied.holds(RESEARCH, many) is False
    assert seen == []


def test_what_is_known_is_not_looked_for_again_whatever_else_is_written(
    undenied: Undenied, writing: apsw.Connection
) -> None:
    writing.execute("INSERT INTO fact VALUES('ada', 'Consent/1', x'')")
    undenied.connection.execute("SELECT * FROM resource").fetchall()
    seen = statements(undenied.connection)

    held = [undenied.holds(RESEARCH, {7, 8}) for _ in range(3)]

    assert held == [True, True, True]
    assert seen == ["SELECT number FROM denial_changes"]


class Changing(Thread):
    """Another process that denies an owner class and permits it again, each after two pages that were read meanwhile."""

    def __init__(self, path: Path, owner: int) -> None:
        super().__init__()
        self._path = path
        self._owner = owner
        self.begun = 0
        self.done = 0
        self.pages = 0

    def run(self) -> None:
        """Take all turns: after an odd one it is denied."""
        connection = connect(self._path)
        for number in range(1, TURNS + 1):
            self.begun = number
            connection.execute("DELETE FROM denial")
            if number % 2:
                connection.execute(
                    "INSERT INTO denial VALUES(?,?,'*',0,?)", (KEY, self._owner, EVER)
                )
            self.done, seen = number, self.pages
            while self.pages < seen + 2:
                pass
        connection.close()


async def test_whoever_denies_while_pages_are_read_the_next_page_obeys(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with open_sqlite(tmp_path) as store:
        await store.write([a_patient("grace"), an_observation("g", "grace")], atomic=True)
        await store.search(SIGHT, OBSERVATIONS, None, 10)
    owner = connect(path).execute("SELECT owner FROM resource WHERE type='Observation'").get
    searcher = Searcher(connect(path, read_only=True))
    told: list[tuple[int, int]] = []

    changing = Changing(path, owner)
    changing.start()
    while changing.is_alive():
        done = changing.done
        found = len(searcher.page(SIGHT, OBSERVATIONS, None, 10).rows)
        if changing.begun == done:
            told.append((done, found))
        changing.pages += 1
    changing.join()

    assert [each for each in told if each[1] != 1 - each[0] % 2] == []
    assert {done for done, _ in told} >= set(range(1, TURNS + 1))


@pytest.mark.parametrize("asks", ["search", "read", "count"])
async def test_an_audience_that_another_process_gave_up_is_worked_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asks: str
) -> None:
    monkeypatch.setattr(denials, "MOST_AUDIENCES", 1)
    everyone = Visibility.everything("test")
    sights = [everyone.of_audience(each, at=START) for each in (RESEARCH, CARE)]
    observation = an_observation("g", "grace")
    asked: dict[str, Callable[[Store, Visibility], Any]] = {
        "search": lambda store, sight: store.search(sight, OBSERVATIONS, None, 10),
        "read": lambda store, sight: store.read(sight, observation.draft.key),
        "count": lambda store, sight: store.count(sight, OBSERVATIONS),
    }
    async with open_sqlite(tmp_path) as one, open_sqlite(tmp_path) as other:
        await one.write([a_patient("grace"), observation], atomic=True)
        expected = await asked[asks](one, everyone)

        for _ in range(3):
            assert await asked[asks](one, sights[0]) == expected
            assert await asked[asks](other, sights[1]) == expected
