"""How a page is found: what leads, what is checked where, and the statements that it takes. For operators."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import apsw

from fhir_server.fhir.errors import TooCostly
from fhir_server.policy.visibility import Visibility
from fhir_server.search.advice import advice
from fhir_server.search.expression import Plan
from fhir_server.search.planning import PROBE, is_selective
from fhir_server.storage.explanation import Access, Explanation, Lead, Statement
from fhir_server.storage.pages import Position
from fhir_server.storage.sqlite.budget import Budget
from fhir_server.storage.sqlite.candidates import Candidates
from fhir_server.storage.sqlite.contained import Inside
from fhir_server.storage.sqlite.searching import Searcher

T = TypeVar("T")

MOST_STATEMENTS = 50
"""Statements that are shown, those that took most first."""


@dataclass(slots=True)
class _Seen:
    """What the statements of a connection did; `values` are those of each text's first run."""

    values: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    rows: int = 0

    def begun(self, _: apsw.Cursor, text: str, values: Any) -> bool:
        """Note a statement."""
        self.values.setdefault(text, values)
        return True

    def ended(self, event: dict[str, Any]) -> None:
        """Note what it took."""
        text = event["sql"]
        self.runs[text] = self.runs.get(text, 0) + 1
        steps = event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]
        self.steps[text] = self.steps.get(text, 0) + steps

    def read(self, _: apsw.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Note a row."""
        self.rows += 1
        return row


class Explainer:
    """Answers searches on one connection, and tells how."""

    def __init__(self, connection: apsw.Connection, budget: Budget) -> None:
        self._connection = connection
        self._budget = budget
        self._searcher = Searcher(connection)

    def explain(
        self, sight: Visibility, plan: Plan, after: Position | None, limit: int
    ) -> Explanation:
        """Find a page, and return how; with the refusal where it costs too much."""
        accesses, _ = self._bounded(lambda: self._accesses(sight, plan), plan)
        with _seen(self._connection) as seen:
            began = time.perf_counter()
            page, refusal = self._bounded(
                lambda: self._searcher.page(sight, plan, after, limit), plan
            )
            milliseconds = round((time.perf_counter() - began) * 1000, 3)
        statements = tuple(_statements(self._connection, seen))
        matches = 0 if page is None else len(page.rows)
        return Explanation(accesses or (), statements, matches, seen.rows, milliseconds, refusal)

    def _bounded(self, work: Callable[[], T], plan: Plan) -> tuple[T | None, str | None]:
        """Return what the work gives, or else why it was refused."""
        try:
            return self._budget.patient(work, lambda: advice(plan)), None
        except TooCostly as refusal:
            return None, str(refusal)

    def _accesses(self, sight: Visibility, plan: Plan) -> tuple[Access, ...]:
        alone = self._searcher.candidates(sight, plan, of_all=False)
        inside = self._searcher.inside(sight, plan, of_all=False)
        return (*map(_access, alone), *map(_access_inside, inside))


@contextmanager
def _seen(connection: apsw.Connection) -> Iterator[_Seen]:
    seen = _Seen()
    connection.exec_trace, connection.row_trace = seen.begun, seen.read
    connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, seen.ended)
    try:
        yield seen
    finally:
        connection.exec_trace = connection.row_trace = None
        connection.trace_v2(0, None)


def _access(candidates: Candidates) -> Access:
    driver = candidates.driver
    return Access(
        candidates.view.kind,
        driver.lead,
        _leads(candidates),
        tuple(each for each in driver.rest if is_selective(each)),
        tuple(each for each in driver.rest if not is_selective(each)),
    )


def _access_inside(inside: Inside) -> Access:
    return Access(inside.type, inside.driver.lead, _leads(inside), (), inside.required)


def _leads(found: Candidates | Inside) -> tuple[Lead, ...]:
    counts = {each: found.counted(each, PROBE) for each in found.driver.considered}
    return tuple(Lead(each, number, exact=number < PROBE) for each, number in counts.items())


def _statements(connection: apsw.Connection, seen: _Seen) -> Iterator[Statement]:
    texts = sorted(seen.runs, key=lambda text: -seen.steps[text])
    for text in [each for each in texts if each in seen.values][:MOST_STATEMENTS]:
        if not text.lstrip().startswith("SELECT"):
            continue
        rows = connection.execute("EXPLAIN QUERY PLAN " + text, seen.values[text])
        way = tuple(str(detail) for *_, detail in rows)
        yield Statement(text, way, seen.runs[text], seen.steps[text])
