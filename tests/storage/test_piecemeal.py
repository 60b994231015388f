"""Long work on denials in pieces: what is seen meanwhile, and what is left where it was cut off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import Unavailable
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import Plan
from fhir_server.storage.contract import OptOuts, Store
from fhir_server.storage.sqlite import denials, opt_outs, piecemeal
from fhir_server.storage.sqlite.admitting import NotAdmitted
from fhir_server.storage.sqlite.denials import Denials
from fhir_server.storage.sqlite.opt_outs import ADD, BEGIN, OptOutRegister
from fhir_server.storage.sqlite.persons import Persons
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher
from tests.storage.conftest import START, open_sqlite
from tests.storage.test_denials import (
    NUMBERS,
    RESEARCH,
    a_patient,
    an_observation,
    denials_found,
)

SIGHT = Visibility.everything("test").of_audience(RESEARCH, at=START)
OBSERVATIONS = Plan(frozenset({"Observation"}))
PEOPLE = ("ada", "grace")


@pytest.fixture
async def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """Return a store of which each piece does one thing."""
    for module in (opt_outs, denials):
        monkeypatch.setattr(module, "SECONDS_TOGETHER", 0)
    monkeypatch.setattr(opt_outs, "TOGETHER", 1)
    monkeypatch.setattr(piecemeal, "PAUSE", 0)
    async with open_sqlite(tmp_path) as store:
        await store.write([*map(a_patient, PEOPLE)], atomic=True)
        await store.write([an_observation(each[0], each) for each in PEOPLE], atomic=True)
        yield store


async def seen(store: Store) -> set[str]:
    page = await store.search(SIGHT, OBSERVATIONS, None, 10)
    return {row.stored.key.id for row in page.rows}


def read_at_once(path: Path) -> set[str]:
    """Return what the audience sees without being admitted first: nothing where it has to be."""
    connection = connect(path, read_only=True)
    try:
        page = Searcher(connection).page(SIGHT, OBSERVATIONS, None, 10)
    except NotAdmitted:
        return set()
    finally:
        connection.close()
    return {row.stored.key.id for row in page.rows}


def cut_off(*_: object) -> None:
    raise Unavailable("cut off")


async def test_an_audience_that_is_half_worked_out_sees_nothing_and_misses_no_opt_out(
    ward: Store, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Denials, "complete", cut_off)
        with pytest.raises(Unavailable, match="cut off"):
            await seen(ward)
    meanwhile = read_at_once(tmp_path / "store.db")
    await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)
    await ward.write([an_observation("a2", "ada"), an_observation("g2", "grace")], atomic=True)

    assert meanwhile == set()
    assert read_at_once(tmp_path / "store.db") == set()
    assert denials_found(tmp_path / "store.db") == []
    assert await seen(ward) == {"g", "g2"}
    assert denials_found(tmp_path / "store.db") == []


async def test_who_stays_on_the_register_is_denied_throughout(
    ward: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seen(ward)
    await ward.replace_opt_outs([NUMBERS["ada"], "9990000034"], as_of=START)
    shown: list[set[str]] = []
    change = OptOutRegister.change

    def watched(
        self: OptOutRegister, token: int, marks: Sequence[bytes], first: int, statement: str
    ) -> int:
        shown.append(read_at_once(tmp_path / "store.db"))
        return change(self, token, marks, first, statement)

    monkeypatch.setattr(OptOutRegister, "change", watched)
    await ward.replace_opt_outs([NUMBERS["ada"], NUMBERS["grace"]], as_of=START + 1)
    after = await seen(ward)
    await ward.replace_opt_outs([NUMBERS["grace"]], as_of=START + 2)

    # Two pieces for the second register, one for the third; each is seen with its commit.
    assert shown == [{"g"}, set(), set()]
    assert after == set()
    assert await seen(ward) == {"a"}


async def test_a_load_that_is_cut_off_leaves_the_register_as_of_before_and_denies_no_less(
    ward: Store, tmp_path: Path
) -> None:
    await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(OptOutRegister, "end", cut_off)
        with pytest.raises(Unavailable, match="cut off"):
            await ward.replace_opt_outs([NUMBERS["ada"], NUMBERS["grace"]], as_of=START + 1)
    known, meanwhile = await ward.opt_outs(), await seen(ward)
    await ward.replace_opt_outs([NUMBERS["grace"]], as_of=START + 2)

    assert known == OptOuts(START, 1)
    assert meanwhile == set()
    assert await ward.opt_outs() == OptOuts(START + 2, 1)
    assert await seen(ward) == {"a"}
    assert denials_found(tmp_path / "store.db") == []


async def test_of_two_loads_the_one_that_was_begun_first_gives_up(
    ward: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = OptOutRegister.changes

    def overtaken(self: OptOutRegister, wanted: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        apsw.Connection(str(tmp_path / "store.db")).execute(BEGIN, (1,))
        return changes(self, wanted)

    monkeypatch.setattr(OptOutRegister, "changes", overtaken)
    with pytest.raises(Unavailable, match="Another register"):
        await ward.replace_opt_outs([NUMBERS["ada"]], as_of=START)

    assert await ward.opt_outs() is None
    assert await seen(ward) == {"a", "g"}


@given(kept=st.sets(st.binary(max_size=2)), wanted=st.sets(st.binary(max_size=2)))
def test_what_is_added_and_removed_makes_the_register_that_is_wanted(
    kept: set[bytes], wanted: set[bytes]
) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE opt_out(mark BLOB PRIMARY KEY) STRICT, WITHOUT ROWID")
    connection.executemany(ADD, [(each,) for each in kept])
    register = OptOutRegister(connection, Persons(connection, b""), lambda _: None)

    added, removed = register.changes(sorted(wanted))

    assert set(added) == wanted - kept
    assert set(removed) == kept - wanted
    assert len(added) + len(removed) == len(wanted ^ kept)
