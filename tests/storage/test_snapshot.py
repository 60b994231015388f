"""A search that is cut off leaves nothing behind: what comes after it sees what was written meanwhile."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import (
    HasTerm,
    HasTermBetween,
    IsPresent,
    Not,
    Plan,
    PointsTo,
    Predicate,
    SortKey,
)
from fhir_server.search.ordering import PRIMARY
from fhir_server.search.record import IndexRecord, prefix_end
from fhir_server.storage.contract import Draft, Put
from fhir_server.storage.sqlite import budget
from fhir_server.storage.sqlite.leads import Leads
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher
from fhir_server.storage.sqlite.snapshot import snapshot
from fhir_server.storage.sqlite.store import open_store
from tests.storage.conftest import ticking

SEES = Visibility.everything("test")
OBSERVATION = frozenset({"Observation"})
PLANS = [
    Plan(OBSERVATION),
    Plan(OBSERVATION, Not(IsPresent("x"))),
    Plan(OBSERVATION, PointsTo("patient", "Patient", HasTerm("code=a\x1f"))),
    Plan(OBSERVATION, HasTermBetween("code=a", prefix_end("code=a"))),
]


def read_twice(connection: apsw.Connection) -> None:
    with snapshot(connection):
        connection.execute("SELECT count(*) FROM resource").fetchall()
        connection.execute("SELECT count(*) FROM term").fetchall()


def written(kind: str, number: int) -> Put:
    terms = ("code=a\x1f",) if kind == "Patient" else ("code=a\x1f", "patient>Patient/0")
    own = IndexRecord(str(number), terms, (), (), number, (), ())
    return Put(Draft(Key(kind, str(number)), b"", b"", own))


def test_a_budget_that_is_spent_at_any_step_leaves_no_transaction_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "STEPS", 1)
    connection = connect(tmp_path / "store.db")
    bounded = budget.Budget(connection)
    for step in range(40):
        looks = iter(range(step))
        monkeypatch.setattr(bounded, "_is_over", lambda looks=looks: next(looks, None) is None)
        with suppress(budget.OutOfBudget):
            bounded.inline(lambda: read_twice(connection))
        assert not connection.in_transaction


def test_a_budget_leaves_the_transaction_of_a_writer_open(tmp_path: Path) -> None:
    connection = connect(tmp_path / "store.db")
    connection.execute("BEGIN IMMEDIATE")

    budget.Budget(connection).inline(lambda: read_twice(connection))

    assert connection.in_transaction


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.0003])
async def test_searches_that_are_cut_off_inline_hide_no_later_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(budget, "INLINE_SECONDS", seconds)
    monkeypatch.setattr(budget, "STEPS", 1)
    async with open_store(tmp_path / "store.db", clock=ticking()) as store:
        await store.write([written("Patient", 0)], atomic=True)
        for number in range(1, 80):
            await store.write([written("Observation", number)], atomic=True)
            for plan in PLANS:
                page = await store.search(SEES, plan, None, 200)
                assert len(page.rows) == number
                assert (await store.count(SEES, plan)).number == number
            assert await store.read(SEES, Key("Observation", str(number))) is not None


@pytest.mark.parametrize("sort", [(), (SortKey("when", PRIMARY, descending=False),)], ids=str)
async def test_what_matches_all_along_is_found_while_the_terms_change_that_it_is_found_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sort: tuple[SortKey, ...]
) -> None:
    """The terms of a prefix are those of one moment, and the page is of the same."""
    path = tmp_path / "store.db"
    async with open_store(path, clock=ticking()) as store:
        await store.write([written("Observation", 1)], atomic=True)
        searcher = Searcher(connect(path, read_only=True))
        writer = connect(path)

        def changing(leads: Leads, predicate: Predicate) -> Predicate:
            found = expanded(leads, predicate)
            writer.execute(
                "UPDATE term SET term=? WHERE term=?",
                ("Observation.code=aa\x1f", "Observation.code=a\x1f"),
            )
            return found

        expanded = Leads.expanded
        monkeypatch.setattr(Leads, "expanded", changing)
        plan = Plan(OBSERVATION, HasTermBetween("code=a", prefix_end("code=a")), sort)

        assert [row.id for row in searcher.page(SEES, plan, None, 20).rows] == ["1"]
        assert [row.id for row in searcher.page(SEES, plan, None, 20).rows] == ["1"]
