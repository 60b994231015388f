"""`Observation/$lastn`: https://hl7.org/fhir/R4/observation-operation-lastn.html.

Observations that have a coding in common are of one group, over several steps as well; those without a coding are
grouped by the text of their code. What is of the same moment as the last of a group is listed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from fhir_server.fhir.errors import BadRequest, TooCostly
from fhir_server.fhir.json import parse
from fhir_server.interactions.call import Call
from fhir_server.operations.operation import Invocation, Listed, Operation, Parameter, positive
from fhir_server.search.expression import Plan
from fhir_server.search.parsing import parse_query
from fhir_server.search.reading import READERS
from fhir_server.search.record import NO_DATE, IndexRecord
from fhir_server.storage.pages import Position, Row

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
    add = groups.add if any(_names_itself(name) for name, _ in asked.pairs) else _of_one(groups.add)
    await _read(call, _plan(call, asked), add)
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
        raise BadRequest(
            "$lastn is of one subject: name it with patient=… or subject=…, chained or not"
        )
    query = parse_query(
        "Observation",
        pairs,
        call.definitions,
        now=asked.now,
        base_url=call.base_url,
        zone=call.extractor.zone.key,
    )
    return query.plan


def _names_subject(parameter: str) -> bool:
    return _is_chained(parameter) or _names_itself(parameter)


def _names_itself(parameter: str) -> bool:
    code, _, modifier = parameter.partition(":")
    return code in _SUBJECTS and modifier != "missing" and "." not in modifier


def _is_chained(parameter: str) -> bool:
    link, dot, _ = parameter.partition(".")
    return dot != "" and link.partition(":")[0] in _SUBJECTS


def _of_one(add: Callable[[Row], None]) -> Callable[[Row], None]:
    """Return what adds observations, and raises BadRequest where they are not all of one subject."""
    subjects: set[str] = set()

    def add_checked(row: Row) -> None:
        subjects.update(each for each in row.record.terms if each.startswith("subject>"))
        if len(subjects) > 1:
            raise BadRequest(
                "$lastn is of one subject, and the chain leads to several: name it with patient=…"
            )
        add(row)

    return add_checked


async def _read(call: Call, plan: Plan, add: Callable[[Row], None]) -> None:
    """Add all matches, the newest first."""
    after: Position | None = None
    for _ in range(MOST_READ // _BATCH):
        page = await call.store.search(call.sight, plan, after, _BATCH)
        for row in page.rows:
            add(row)
        after = page.next
        if after is None:
            return
    raise TooCostly(
        f"$lastn looks at {MOST_READ} observations, and more match: narrow it by code, category or date"
    )


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row, how many come before it, and its date."""

    place: int
    date: int
    row: Row

    def ties(self, other: _Placed) -> bool:
        """Tell whether both are of one moment."""
        return self.date == other.date != NO_DATE


@dataclass(slots=True)
class Groups:
    """The first rows of each set of codings, and which codings belong together."""

    most: int
    _rows: dict[frozenset[str], list[_Placed]] = field(default_factory=dict)
    _leader: dict[str, str] = field(default_factory=dict)
    _seen: int = 0

    def add(self, row: Row) -> None:
        """Take in the next row, in the order of age."""
        record = row.record
        names = codings(row, record)
        kept = self._rows.setdefault(names, [])
        if not kept:
            self._join(names)
        placed = _Placed(self._seen, record.primary, row)
        # What is past the first rows of its own codings is past those of its group as well.
        if len(kept) < self.most or placed.ties(kept[-1]):
            kept.append(placed)
        self._seen += 1

    def newest(self) -> tuple[Row, ...]:
        """Return the first rows of each group, one group after another."""
        groups: dict[str, list[_Placed]] = {}
        for names, rows in self._rows.items():
            groups.setdefault(self._lead(next(iter(names))), []).extend(rows)
        ordered = [self._first(sorted(each, key=_place)) for each in groups.values()]
        return tuple(each.row for rows in sorted(ordered, key=_first_place) for each in rows)

    def _first(self, rows: list[_Placed]) -> list[_Placed]:
        """Return the first rows, and those of the same moment as the last of them."""
        last = rows[: self.most][-1]
        return [*rows[: self.most], *takewhile(last.ties, rows[self.most :])]

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


def codings(row: Row, record: IndexRecord) -> frozenset[str]:
    """Return what an observation is grouped by: its codings, else its text, else itself alone."""
    found = frozenset(each for each in record.terms if each.startswith("code="))
    if found:
        return found
    code: dict[str, Any] = parse(row.stored.body or b"").get("code", {})
    text = code.get("text")
    return frozenset({f"text={text}" if text else f"id={row.stored.key.id}"})


def _place(placed: _Placed) -> int:
    return placed.place


def _first_place(rows: list[_Placed]) -> int:
    return rows[0].place


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
