"""How one page of a search is found: the shape of each statement, and what the server says of its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any

import msgspec

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.advice import advice
from fhir_server.search.expression import Plan
from fhir_server.search.ordering import completed
from fhir_server.search.planning import conjuncts
from fhir_server.storage.explanation import Access, Explanation, Statement
from fhir_server.storage.mongo import containing
from fhir_server.storage.mongo.conditions import both
from fhir_server.storage.mongo.documents import RESOURCE, Document
from fhir_server.storage.mongo.failures import OutOfTime
from fhir_server.storage.mongo.orders import is_served, runs
from fhir_server.storage.mongo.planning import Wanted
from fhir_server.storage.mongo.searching import Searcher
from fhir_server.storage.mongo.sights import Sight
from fhir_server.storage.mongo.statements import Statements
from fhir_server.storage.pages import Position


async def explained(
    statements: Statements, sight: Sight, plan: Plan, after: Position | None, limit: int
) -> Explanation:
    """Return how a page is found, and find it: what it costs is measured."""
    searcher = Searcher(statements, sight)
    accesses: list[Access] = []
    told: list[Statement] = []
    refusal: str | None = None
    shown = 0
    begun = perf_counter()
    try:
        for kind in sorted(plan.types or ()):
            wanted = await searcher.wanted(kind, plan.predicate_of(kind))
            accesses.append(_access(wanted))
            told.append(await _statement(statements, wanted, plan, limit))
        shown = len((await containing.page(searcher, plan, after, limit)).rows)
    except TooCostly as problem:
        refusal = str(problem)
    except OutOfTime:
        refusal = advice(plan)
    milliseconds = (perf_counter() - begun) * 1_000
    rows = sum(each.steps for each in told)
    return Explanation(tuple(accesses), tuple(told), shown, rows, milliseconds, refusal)


def _access(wanted: Wanted) -> Access:
    residual = () if wanted.residual is None else tuple(conjuncts(wanted.residual))
    checked = tuple(each for each in wanted.checked if each not in residual)
    return Access(wanted.kind, wanted.lead, wanted.considered, checked, residual)


async def _statement(statements: Statements, wanted: Wanted, plan: Plan, limit: int) -> Statement:
    keys = completed(plan.sort)
    run = next(runs(keys, None)) if is_served(keys) else None
    condition = wanted.condition if run is None else both(wanted.condition, run.condition)
    command: Document = {"find": RESOURCE, "filter": condition, "limit": limit + 1}
    if run is not None:
        command["sort"] = dict(run.members)
    hint = run.index if run is not None and wanted.lead is None else wanted.hint
    if hint is not None:
        command["hint"] = hint
    asked = {"explain": command, "verbosity": "executionStats"}
    answer = await statements.database.command(asked)
    way = tuple(_stages(answer.get("queryPlanner", {}).get("winningPlan", {})))
    steps = int(answer.get("executionStats", {}).get("totalKeysExamined", 0))
    return Statement(_shape(command), way, 1, steps)


def _stages(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield the stages of a plan from the outermost to the innermost."""
    own = plan.get("queryPlan", plan)
    name = own.get("stage")
    if name is not None:
        index = own.get("indexName")
        yield name if index is None else f"{name} {index}"
    for each in (*own.get("inputStages", ()), *filter(None, (own.get("inputStage"),))):
        yield from _stages(each)


def _shape(command: Document) -> str:
    """Return a statement without its values: nobody's record shows in it."""
    shown = {**command, "filter": _without_values(command["filter"])}
    return msgspec.json.encode(shown).decode()


def _without_values(condition: Any) -> Any:
    match condition:
        case dict():
            return {name: _without_values(each) for name, each in condition.items()}
        case [dict(), *_]:
            return [_without_values(each) for each in condition]
        case _:
            return "?"
