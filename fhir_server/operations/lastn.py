"""`Observation/$lastn`: https://hl7.org/fhir/R4/observation-operation-lastn.html.

Observations that have a coding in common are of one group, over several steps as well; those without a coding are
grouped by the text of their code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fhir_server.fhir.errors import BadRequest, TooCostly
from fhir_server.fhir.json import parse
from fhir_server.interactions.call import Call
from fhir_server.operations.operation import Invocation, Listed, Operation, Parameter, positive
from fhir_server.search.expression import Plan
from fhir_server.search.parsing import parse_query
from fhir_server.search.reading import READERS
from fhir_server.storage.contract import Position, Row

MOST_READ = 10_000
"""How many observations one invocation looks at."""

MOST_LISTED = 1_000
"""How many observations it returns."""

_LARGEST_MAX = 100
_BATCH = 500
_SUBJECTS = ("patient", "subject")


async def last_n(call: Call, asked: Invocation) -> Listed:
    """Return the newest observations of each code; raise TooCostly where too many would be looked at."""
    most = positive("max", asked.value("max"), default=1, most=_LARGEST_MAX)
    groups = Groups(most)
    await _read(call, _plan(call, asked), groups)
    found = groups.newest()
    if len(found) > MOST_LISTED:
        raise TooCostly(
            f"$lastn would return {len(found)} observations: narrow it by code or category"
        )
    return Listed(found, total=len(found))


def _plan(call: Call, asked: Invocation) -> Plan:
    pairs = [(name, value) for name, value in asked.pairs if name != "max"]
    codes = [name.partition(":")[0] for name, _ in pairs]
    refused = [each for each in codes if each in READERS]
    if refused:
        raise BadRequest(f"$lastn has no parameter {refused[0]}; it takes max, and what selects")
    if not any(_names_subject(name) for name, _ in pairs):
        raise BadRequest("$lastn is of one subject: name it with patient=… or subject=…")
    query = parse_query(
        "Observation", pairs, call.definitions, now=asked.now, base_url=call.base_url
    )
    return query.plan


def _names_subject(parameter: str) -> bool:
    code, _, modifier = parameter.partition(":")
    return code in _SUBJECTS and modifier != "missing"


async def _read(call: Call, plan: Plan, groups: Groups) -> None:
    """Add all matches, the newest first."""
    after: Position | None = None
    for _ in range(MOST_READ // _BATCH):
        page = await call.store.search(call.sight, plan, after, _BATCH)
        for row in page.rows:
            groups.add(row)
        after = page.next
        if after is None:
            return
    raise TooCostly(
        f"$lastn looks at {MOST_READ} observations, and more match: narrow it by code, category or date"
    )


@dataclass(slots=True)
class Groups:
    """The first rows of each set of codings, and which codings belong together."""

    most: int
    _rows: dict[frozenset[str], list[tuple[int, Row]]] = field(default_factory=dict)
    _leader: dict[str, str] = field(default_factory=dict)
    _seen: int = 0

    def add(self, row: Row) -> None:
        """Take in the next row, in the order of age."""
        names = codings(row)
        kept = self._rows.setdefault(names, [])
        if not kept:
            self._join(names)
        # What is past the first rows of its own codings is past those of its group as well.
        if len(kept) < self.most:
            kept.append((self._seen, row))
        self._seen += 1

    def newest(self) -> tuple[Row, ...]:
        """Return the first rows of each group, one group after another."""
        groups: dict[str, list[tuple[int, Row]]] = {}
        for names, rows in self._rows.items():
            groups.setdefault(self._lead(next(iter(names))), []).extend(rows)
        ordered = [sorted(each, key=_place)[: self.most] for each in groups.values()]
        return tuple(row for rows in sorted(ordered, key=_first) for _, row in rows)

    def _join(self, names: Iterable[str]) -> None:
        first, *others = names
        leader = self._lead(first)
        for each in others:
            self._leader[self._lead(each)] = leader

    def _lead(self, name: str) -> str:
        """Return the coding that stands for the group of this one."""
        leader = self._leader.setdefault(name, name)
        while leader != name:
            name, leader = leader, self._leader[leader]
        return leader


def codings(row: Row) -> frozenset[str]:
    """Return what an observation is grouped by: its codings, else its text, else itself alone."""
    found = frozenset(each for each in row.record.terms if each.startswith("code="))
    if found:
        return found
    code: dict[str, Any] = parse(row.stored.body or b"").get("code", {})
    text = code.get("text")
    return frozenset({f"text={text}" if text else f"id={row.stored.key.id}"})


def _place(numbered: tuple[int, Row]) -> int:
    return numbered[0]


def _first(rows: list[tuple[int, Row]]) -> int:
    return rows[0][0]


OBSERVATION_LASTN = Operation(
    name="lastn",
    url="http://hl7.org/fhir/OperationDefinition/Observation-lastn",
    levels=("type",),
    types=("Observation",),
    parameters=(Parameter("max"),),
    run=last_n,
    takes_search=True,
    rights="s",
)
