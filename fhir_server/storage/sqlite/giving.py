"""The rows of a store in a file, all of one moment: servers may go on meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import apsw

from fhir_server.fhir.errors import Unavailable
from fhir_server.storage.moving import (
    PARTS,
    Block,
    Fact,
    KeyValue,
    OptOut,
    Outline,
    Owner,
    Person,
    Place,
    R,
    Row,
    Secret,
    Version,
    together,
)
from fhir_server.storage.sqlite import cataloguing
from fhir_server.storage.sqlite.marking import is_indexed, refuse_half_copied, zone_of
from fhir_server.storage.sqlite.owners import unpacked_patients
from fhir_server.storage.sqlite.reading import Reader
from fhir_server.storage.sqlite.schema import SCHEMA_VERSION, connect
from fhir_server.storage.sqlite.snapshot import snapshot

FIRST: Mapping[type[Row], Place] = {
    Secret: ("",),
    Owner: (-1,),
    Version: (-1,),
    Person: ("",),
    Fact: ("",),
    OptOut: (b"",),
    Block: (-1,),
    KeyValue: ("", ""),
}
"""What stands before the first row of each part."""

ABOUT = "(SELECT group_concat(a.type||'/'||a.id, ' ') FROM about a WHERE a.rid=v.rid AND a.version=v.version)"

SELECT: Mapping[type[Row], str] = {
    Secret: "SELECT name, value FROM secret WHERE name>? ORDER BY name",
    Owner: "SELECT owner, patients FROM owner WHERE owner>? ORDER BY owner",
    Version: f"""
SELECT moment, rid, type, id, version, method, owner, 1, record, body, {ABOUT} FROM resource v WHERE moment>?1
UNION ALL
SELECT moment, rid, type, id, version, method, owner, 0, NULL, body, {ABOUT} FROM history v WHERE moment>?1
ORDER BY moment
""",  # noqa: S608 - constants
    Person: "SELECT patient, mark FROM person WHERE patient>? ORDER BY patient, mark",
    Fact: "SELECT origin, patient, content FROM fact WHERE origin>? ORDER BY origin",
    OptOut: "SELECT mark FROM opt_out WHERE mark>? ORDER BY mark",
    Block: "SELECT number, moment, content, digest FROM audit WHERE number>? ORDER BY number",
    KeyValue: """
SELECT kind, key, value, expires FROM keyvalue WHERE (kind, key)>(?,?) AND kind!='index' ORDER BY kind, key
""",
}

COUNT: Mapping[type[Row], str] = {
    Secret: "SELECT count(*) FROM secret",
    Owner: "SELECT count(*) FROM owner",
    Version: "SELECT (SELECT count(*) FROM resource)+(SELECT count(*) FROM history)",
    Person: "SELECT count(DISTINCT patient) FROM person",
    Fact: "SELECT count(*) FROM fact",
    OptOut: "SELECT count(*) FROM opt_out",
    Block: "SELECT count(*) FROM audit",
    KeyValue: "SELECT count(*) FROM keyvalue WHERE kind!='index'",
}

LOG = "SELECT number, seal, published FROM audit_state"
PEOPLE = "SELECT 1 FROM register WHERE name='people'"


class SQLiteGiving:
    """See `fhir_server.storage.moving.Giving`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def outline(self) -> Outline:
        """See Giving.outline."""
        run = self._connection.execute
        reader, kept = Reader(self._connection), cataloguing.catalogue(self._connection)
        entries, seal, published = run(LOG).get
        register = reader.opt_outs()
        return Outline(
            zone=zone_of(self._connection),
            moment=reader.latest_moment(),
            revision=kept.revision,
            generation=kept.generation,
            catalogue=kept.content,
            entries=entries,
            seal=seal,
            published=published,
            opt_outs=None if register is None else (register.as_of, register.number),
            counts={each.__name__: int(run(COUNT[each]).get) for each in PARTS},
        )

    async def rows(self, part: type[R], after: Place | None = None) -> AsyncIterator[Sequence[R]]:
        """See Giving.rows."""
        found = self._connection.execute(SELECT[part], FIRST[part] if after is None else after)
        for some in together(_MADE[part](found)):
            yield some

    async def check_unchanged(self, outline: Outline) -> None:
        """See Giving.check_unchanged: all of it is of one moment."""


def _owners(rows: Iterator[Any]) -> Iterator[Owner]:
    return (Owner(number, *unpacked_patients(patients)) for number, patients in rows)


def _versions(rows: Iterator[Any]) -> Iterator[Version]:
    for row in rows:
        about = tuple(sorted(row[10].split())) if row[10] else ()
        yield Version._make((*row[:7], bool(row[7]), *row[8:10], about))


def _people(rows: Iterator[Any]) -> Iterator[Person]:
    for patient, some in groupby(rows, lambda row: row[0]):
        yield Person(patient, tuple(mark for _, mark in some))


_MADE: Mapping[Any, Callable[[Iterator[Any]], Iterator[Any]]] = {
    Secret: lambda rows: (Secret(*row) for row in rows),
    Owner: _owners,
    Version: _versions,
    Person: _people,
    Fact: lambda rows: (Fact(*row) for row in rows),
    OptOut: lambda rows: (OptOut(*row) for row in rows),
    Block: lambda rows: (Block(*row) for row in rows),
    KeyValue: lambda rows: (KeyValue(*row) for row in rows),
}


@asynccontextmanager
async def giving(path: Path) -> AsyncIterator[SQLiteGiving]:
    """Open a store to read its rows; raise Unavailable for one that this release has not indexed."""
    connection = connect(path, read_only=True)
    try:
        with snapshot(connection):
            _check(connection)
            yield SQLiteGiving(connection)
    except apsw.Error as problem:
        raise Unavailable(f"The store {path} cannot be read: {problem}") from problem
    finally:
        connection.close()


def _check(connection: apsw.Connection) -> None:
    if connection.pragma("user_version") == SCHEMA_VERSION:
        refuse_half_copied(connection)
        if is_indexed(connection, zone_of(connection)) and connection.execute(PEOPLE).get:
            return
    raise Unavailable("The store was written by another release: run fhir-server reindex first")
