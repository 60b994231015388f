"""What one search may cost: beyond it, the outcome says what was too much, and what would help."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import (
    AllOf,
    HasAnyTerm,
    HasTerm,
    IsPresent,
    Not,
    Plan,
    PointsTo,
    SortKey,
)
from fhir_server.search.record import IndexRecord
from fhir_server.storage.contract import (
    Delete,
    Draft,
    Expectation,
    Put,
    Unchanged,
    WriteOp,
    Written,
)
from fhir_server.storage.pages import HistoryScope
from fhir_server.storage.sqlite import budget
from fhir_server.storage.sqlite.store import SQLiteStore, open_store
from tests.storage.conftest import ticking

NUMBER = 2_000
SEES = Visibility.everything("test")
TASKS = frozenset({"Task"})
NEVER = Not(IsPresent("code"))
"""None matches, and no index tells: each record is looked at."""


@pytest.fixture(autouse=True)
def nothing_is_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave all that takes a thousand steps to the threads, on a fast machine too."""
    monkeypatch.setattr(budget, "INLINE_SECONDS", 0.0)


def draft(logical_id: str) -> Draft:
    record = IndexRecord(logical_id, ("status=final\x1f",), (), ("code",), 0, (), ())
    return Draft(Key("Task", logical_id), b"", b'"n":1', record)


@asynccontextmanager
async def filled(folder: Path, *, seconds: float) -> AsyncIterator[SQLiteStore]:
    """Open a store of many tasks."""
    async with open_store(folder / "store.db", clock=ticking(), seconds=seconds) as store:
        await store.write([Put(draft(f"t{each}")) for each in range(NUMBER)], atomic=False)
        yield store


async def refusal(store: SQLiteStore, plan: Plan, *, counted: bool = False) -> str:
    with pytest.raises(TooCostly) as caught:
        await (store.count(SEES, plan) if counted else store.search(SEES, plan, None, 20))
    return str(caught.value)


async def test_a_search_that_takes_too_long_says_what_would_help(tmp_path: Path) -> None:
    async with filled(tmp_path, seconds=0.0) as store:
        told = await refusal(store, Plan(TASKS, NEVER))

    assert told == (
        "The search took longer than 0 seconds: name a value that few resources have, "
        "such as a patient, an identifier or a date"
    )


async def test_each_thing_that_costs_is_named(tmp_path: Path) -> None:
    chain = PointsTo("owner", "Patient", HasTerm("name^smith"))
    order = (SortKey("status", "token", descending=False),)
    async with filled(tmp_path, seconds=0.0) as store:
        assert "leave out _sort" in await refusal(store, Plan(TASKS, NEVER, order))
        assert "without a total" in await refusal(store, Plan(TASKS, NEVER), counted=True)
        assert "the other type first" in await refusal(
            store, Plan(TASKS, AllOf((NEVER, Not(chain))))
        )


async def test_a_search_that_takes_too_many_steps_is_stopped_however_long_it_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MOST_STEPS", 2_000)
    async with filled(tmp_path, seconds=60.0) as store:
        assert "more than 2000 steps" in await refusal(store, Plan(TASKS, NEVER))

        found = await store.search(SEES, Plan(TASKS), None, 20)

    assert len(found.rows) == 20


async def test_a_search_that_would_hold_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MOST_HELD", NUMBER - 1)
    either = Plan(TASKS, HasAnyTerm(("status=final\x1f", "status=other\x1f")))
    async with filled(tmp_path, seconds=60.0) as store:
        assert "more than 1999 matches at once" in await refusal(store, either, counted=True)

        found = await store.search(SEES, either, None, 20)

    assert len(found.rows) == 20


async def test_a_history_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    async with filled(tmp_path, seconds=0.0) as store:
        with pytest.raises(TooCostly, match="a later _since"):
            await store.history(SEES, HistoryScope(), None, NUMBER)


async def test_the_criteria_of_a_write_hold_no_other_write_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "WRITING_SECONDS", 0.0)
    unless_there = Expectation(SEES, Plan(TASKS, NEVER), frozenset())
    async with filled(tmp_path, seconds=60.0) as store:
        ops: list[WriteOp] = [Put(draft("other")), Put(draft("new"), expectation=unless_there)]

        with pytest.raises(TooCostly, match="Nothing was written"):
            await store.write(ops, atomic=True)

        assert await store.read(SEES, Key("Task", "other")) is None
        assert await store.write([Delete(Key("Task", "x"))], atomic=True) == [Unchanged(None)]


async def test_what_is_written_without_criteria_has_no_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "WRITING_SECONDS", 0.0)
    monkeypatch.setattr(budget, "STEPS", 1)
    nothing = Expectation(SEES, Plan(TASKS, HasTerm("none")), frozenset())
    async with filled(tmp_path, seconds=60.0) as store:
        with pytest.raises(TooCostly):
            await store.write([Put(draft("new"), expectation=nothing)], atomic=True)

        (answer,) = await store.write([Put(draft("new"))], atomic=True)

    assert isinstance(answer, Written)


async def test_a_search_that_costs_too_much_is_explained_as_far_as_it_went(tmp_path: Path) -> None:
    async with filled(tmp_path, seconds=0.0) as store:
        found = await store.explain(SEES, Plan(TASKS, NEVER), None, 20)

    assert found.matches == 0
    assert found.refusal is not None
    assert "took longer than 0 seconds" in found.refusal
    assert [each.type for each in found.accesses] == ["Task"]
    assert found.accesses[0].on_record == (NEVER,)
    assert found.statements[0].runs == 1
    assert any("resource_list" in each for each in found.statements[0].way)
