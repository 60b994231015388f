"""A copy of a store without what one caller may not see, erased row by row.

What is hidden is told here in words of its own, from the owner classes and the denials: not by the conditions that
the store reads under. That the denials are those that people laid down, `tests/storage/test_denials.py` holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from fhir_server.fhir.json import parse_resource
from fhir_server.policy.decision import Audience
from fhir_server.policy.rights import Rights
from fhir_server.policy.scopes import LETTERS
from fhir_server.policy.visibility import Visibility
from fhir_server.search.matching import matches
from fhir_server.storage.sqlite.owners import unpacked_patients
from fhir_server.storage.sqlite.schema import connect

OWN_ROWS = ("resource", "history", "term", "span")
"""The tables with rows of resources; `words`, where it is there, is keyed by them too."""

DENIED = "SELECT DISTINCT owner, kind FROM denial WHERE audience=? AND since<=? AND until>?"


@dataclass(frozen=True)
class Reach:
    """What a caller may see by one letter or another."""

    rights: Rights
    audience: Audience
    at: int

    def sights(self) -> Iterator[Visibility]:
        """Yield what each letter reaches, and what numbers are told of."""
        for letter in LETTERS:
            yield self.rights.sight(letter)
        if self.rights.counted is not None:
            yield self.rights.counted


def copied(source: Path, target: Path) -> None:
    """Copy a store."""
    connection = connect(source)
    connection.execute("VACUUM INTO ?", (str(target),))
    connection.close()


def erase(path: Path, reach: Reach) -> int:
    """Erase every row that this caller may not see; return how many versions those were."""
    connection = connect(path)
    hidden = hidden_versions(connection, reach)
    with connection:
        for rid, version in sorted(hidden):
            if version == 0:
                _erase_resource(connection, rid)
            else:
                connection.execute("DELETE FROM history WHERE rid=? AND version=?", (rid, version))
    connection.close()
    return len(hidden)


def hidden_versions(connection: apsw.Connection, reach: Reach) -> set[tuple[int, int]]:
    """Return what this caller may not see: surrogate id and version, 0 for the current one."""
    rows = connection.execute("SELECT rid, 0, type, owner, body FROM resource").fetchall()
    rows += connection.execute("SELECT rid, version, type, owner, body FROM history").fetchall()
    return {(rid, version) for rid, version, *_ in _hidden(connection, rows, reach)}


def past_hidden(path: Path, reach: Reach) -> set[tuple[int, int]]:
    """Return the past versions that this caller may not see."""
    connection = connect(path)
    hidden = hidden_versions(connection, reach)
    rows: list[Any] = connection.execute("SELECT rid, version FROM history").fetchall()
    connection.close()
    return {(rid, version) for rid, version in rows if {(rid, version), (rid, 0)} & hidden}


def hidden_keys(path: Path, reach: Reach) -> set[str]:
    """Return the addresses whose current versions this caller may not see."""
    connection = connect(path)
    rows = connection.execute("SELECT rid, 0, type, owner, body, id FROM resource").fetchall()
    found = {f"{row[2]}/{row[5]}" for row in _hidden(connection, rows, reach)}
    connection.close()
    return found


def _erase_resource(connection: apsw.Connection, rid: int) -> None:
    for table in OWN_ROWS:
        connection.execute(f"DELETE FROM {table} WHERE rid=?", (rid,))  # noqa: S608 - constants
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name='words'").get:
        connection.execute("DELETE FROM words WHERE rowid=?", (rid,))


def _hidden(
    connection: apsw.Connection, rows: list[tuple[Any, ...]], reach: Reach
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows (rid, version, type, owner, body, …) that no letter reaches, or that are denied."""
    values = (reach.audience.key, reach.at, reach.at)
    denied = set(connection.execute(DENIED, values))
    known = "SELECT 1 FROM audience WHERE audience=?"
    assert connection.execute(known, values[:1]).get, "nothing is worked out for this audience"
    classes = {
        owner: unpacked_patients(patients).members
        for owner, patients in connection.execute("SELECT owner, patients FROM owner")
    }
    for row in rows:
        kind, owner = str(row[2]), row[3]
        reached = any(_reaches(each, kind, classes[owner], row[4]) for each in reach.sights())
        if not reached or not denied.isdisjoint({(owner, "*"), (owner, kind)}):
            yield row


def _reaches(sight: Visibility, kind: str, members: tuple[str, ...], body: bytes | None) -> bool:
    if sight.types is not None and kind not in sight.types:
        return False
    if sight.patient is not None and kind not in sight.unbound and sight.patient not in members:
        return False
    asked = None if sight.criteria is None else dict(sight.criteria.by_type).get(kind)
    if asked is None or sight.criteria is None:
        return True
    if body is None:
        return False
    return matches(asked, sight.criteria.extract(parse_resource(body)), updated=0)
