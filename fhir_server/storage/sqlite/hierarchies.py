"""What stands below or above a resource, level by level, each level by one statement and under the caller's sight."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.expression import HasId, InHierarchy
from fhir_server.search.matching import referred
from fhir_server.search.record import reference_term
from fhir_server.storage.sqlite.candidates import Candidates
from fhir_server.storage.sqlite.seeing import see
from fhir_server.storage.sqlite.translation import POSTING, Condition
from fhir_server.storage.sqlite.view import View

MOST_REACHED = 10_000
"""How many resources may stand below or above those that are asked for."""

MOST_LEVELS = 100

SELECT_PARTS = """
SELECT r.id FROM json_each(?) CROSS JOIN term t ON t.term=json_each.value CROSS JOIN resource r ON r.rid=t.rid
WHERE {}
"""


def reached(view: View, asked: InHierarchy, most: int) -> frozenset[str]:
    """Return the ids of the visible resources below or above; raise TooCostly where there are too many."""
    if not view.sight.permits_type(asked.own):
        return frozenset()
    if asked.side == "below":
        return _closure(asked, min(most, MOST_REACHED), lambda wholes: _parts(view, asked, wholes))
    found = _closure(asked, min(most, MOST_REACHED), lambda parts: _wholes(view, asked, parts))
    records = Candidates(view, HasId(tuple(sorted(found)))).records()
    return frozenset(record.id for _, _, record in records)


def _closure(
    asked: InHierarchy, most: int, step: Callable[[Iterable[str]], set[str]]
) -> frozenset[str]:
    """Return all that can be reached by steps; a circle ends, as what was reached leads no further."""
    found: set[str] = set()
    frontier = set(asked.ids)
    for _ in range(MOST_LEVELS):
        frontier = step(frontier) - found
        found |= frontier
        if not frontier:
            return frozenset(found)
        if len(found) > most:
            raise TooCostly(f"{_named(asked)} there are more than the {most} that are looked at")
    raise TooCostly(f"{_named(asked)} there are more than {MOST_LEVELS} levels")


def _parts(view: View, asked: InHierarchy, wholes: Iterable[str]) -> set[str]:
    terms = [
        view.key(reference_term(asked.parameter, f"{asked.own}/{each}")) for each in sorted(wholes)
    ]
    condition = Condition()
    see(view.sight, view.kind, POSTING, condition)
    found = view.connection.execute(
        SELECT_PARTS.format(condition.text),
        (msgspec.json.encode(terms).decode(), *condition.values),
    )
    return {logical_id for (logical_id,) in found}


def _wholes(view: View, asked: InHierarchy, parts: Iterable[str]) -> set[str]:
    found = Candidates(view, HasId(tuple(sorted(parts)))).records()
    return {each for _, _, record in found for each in referred(record, asked.parameter, asked.own)}


def _named(asked: InHierarchy) -> str:
    return f"{asked.side.capitalize()} {asked.own}/{asked.ids[0]} by {asked.parameter}"
