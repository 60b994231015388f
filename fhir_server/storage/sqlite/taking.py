"""A file becomes a copy of a store: rows as they are, and the index of what is current."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import apsw

from fhir_server.fhir.errors import Unavailable
from fhir_server.search.record import NO_DATE, unpacked
from fhir_server.storage.moving import (
    Block,
    Fact,
    KeyValue,
    Mark,
    OptOut,
    Outline,
    Owner,
    Person,
    Row,
    Secret,
    Version,
)
from fhir_server.storage.sqlite.giving import SQLiteGiving
from fhir_server.storage.sqlite.index import Index
from fhir_server.storage.sqlite.marking import (
    UNMARK_COPYING,
    copying,
    mark_copying,
    mark_indexed,
    mark_zone,
    unmark_indexed,
)
from fhir_server.storage.sqlite.owners import OwnerClass, packed_class
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.telling import INSERT as TOLD

HELD = """
SELECT EXISTS(SELECT 1 FROM resource) OR EXISTS(SELECT 1 FROM owner) OR EXISTS(SELECT 1 FROM audit)
  OR EXISTS(SELECT 1 FROM opt_out) OR EXISTS(SELECT 1 FROM keyvalue WHERE kind!='index')
"""
"""Whether a store holds something that somebody wrote."""

CLEAR = "DELETE FROM secret; DELETE FROM audience; DELETE FROM denial; DELETE FROM register"

CURRENT = "INSERT INTO resource VALUES(?,?,?,?,?,?,?,?,?,?,?)"
PAST = "INSERT INTO history VALUES(?,?,?,?,?,?,?,?)"
OWNER = "INSERT INTO owner VALUES(?,?)"
OWNED = "INSERT INTO owned VALUES(?,?,?)"
CATALOGUE = "UPDATE catalogue SET revision=?, generation=?, content=?"
LOG = "UPDATE audit_state SET number=?, seal=?, published=?"
PEOPLE = "INSERT OR REPLACE INTO register VALUES('people', 0, 0)"
OPT_OUTS = "INSERT OR REPLACE INTO register VALUES('opt-out', ?, ?)"


class SQLiteTaking:
    """See `fhir_server.storage.moving.Taking`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._index = Index(connection)
        self._mark: Mark | None = None

    async def begin(self, mark: Mark) -> Mark:
        """See Taking.begin."""
        with self._writing():
            begun = copying(self._connection)
            if begun is None:
                if self._connection.execute(HELD).get:
                    raise Unavailable(
                        "The store holds something: a copy goes into one that is new or was emptied by fhir-server reset"
                    )
                self._connection.execute(CLEAR)
                # By this, releases that know no copies leave it alone as well.
                unmark_indexed(self._connection)
                mark_copying(self._connection, mark)
        self._mark = begun or mark
        if self._mark.outline != mark.outline:
            raise Unavailable(
                f"{self._mark.source} is half copied here, and has changed since, or it was another store: "
                "give that up with fhir-server reset, and copy again"
            )
        return self._mark

    async def take(self, rows: Sequence[Row]) -> None:
        """See Taking.take."""
        with self._writing():
            self._check_alone()
            assert self._mark is not None
            _TAKEN[type(rows[0])](self, rows)
            self._index.flush()
            after = self._mark.after(rows)
            mark_copying(self._connection, after)
        self._mark = after

    async def settle(self) -> SQLiteGiving:
        """See Taking.settle."""
        assert self._mark is not None
        outline = self._mark.outline
        with self._writing():
            self._check_alone()
            self._settle(outline)
        return SQLiteGiving(self._connection)

    async def finish(self) -> None:
        """See Taking.finish."""
        assert self._mark is not None
        with self._writing():
            self._check_alone()
            self._connection.execute(UNMARK_COPYING)
            mark_indexed(self._connection, self._mark.outline.zone)

    def _settle(self, outline: Outline) -> None:
        run = self._connection.execute
        run(CATALOGUE, (outline.revision, outline.generation, outline.catalogue))
        run(LOG, (outline.entries, outline.seal, outline.published))
        run(PEOPLE)
        if outline.opt_outs is not None:
            run(OPT_OUTS, outline.opt_outs)
        mark_zone(self._connection, outline.zone)

    def _check_alone(self) -> None:
        """Raise Unavailable where another copy went on meanwhile."""
        if copying(self._connection) != self._mark:
            raise Unavailable("Another copy into this store is under way")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Write in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._index.drop()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _take(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._connection.executemany(statement, rows)

    def _take_owners(self, rows: Sequence[Owner]) -> None:
        self._take(OWNER, [(each.number, packed_class(OwnerClass(*each[1:]))) for each in rows])
        owned = {(name, 1, each.number) for each in rows for name in each.members}
        owned |= {(name, 0, each.number) for each in rows for name in each.mentions}
        self._take(OWNED, sorted(owned))

    def _take_versions(self, rows: Sequence[Version]) -> None:
        self._take(PAST, [_past(each) for each in rows if not each.is_current])
        self._take(CURRENT, [self._current(each) for each in rows if each.is_current])
        about = ((row, each.partition("/")) for row in rows for each in row.about)
        self._take(TOLD, [(row.rid, row.version, kind, name) for row, (kind, _, name) in about])

    def _current(self, row: Version) -> tuple[Any, ...]:
        """Index a current version; return its row."""
        primary = NO_DATE
        if row.record is not None:
            record = unpacked(row.record)
            primary = record.primary
            self._index.add(row.type, record, (primary, row.rid, row.owner))
        known = row.rid, row.type, row.id, row.version, row.moment, row.method
        return (*known, row.record is None, primary, row.owner, row.record, row.body)

    def _take_people(self, rows: Sequence[Person]) -> None:
        marks = [(mark, each.patient) for each in rows for mark in each.marks]
        self._take("INSERT INTO person VALUES(?,?)", marks)

    def _take_facts(self, rows: Sequence[Fact]) -> None:
        facts = [(each.patient, each.origin, each.content) for each in rows]
        self._take("INSERT INTO fact VALUES(?,?,?)", facts)


def _past(row: Version) -> tuple[Any, ...]:
    known = row.rid, row.version, row.type, row.id, row.moment, row.method
    return (*known, row.owner, row.body)


def _as_they_are(statement: str) -> Callable[[SQLiteTaking, Any], None]:
    return lambda taking, rows: taking._take(statement, rows)  # noqa: SLF001 - of this module


_TAKEN: Mapping[type[Row], Callable[[SQLiteTaking, Any], None]] = {
    Secret: _as_they_are("INSERT INTO secret VALUES(?,?)"),
    Owner: SQLiteTaking._take_owners,  # noqa: SLF001 - of this module
    Version: SQLiteTaking._take_versions,  # noqa: SLF001 - of this module
    Person: SQLiteTaking._take_people,  # noqa: SLF001 - of this module
    Fact: SQLiteTaking._take_facts,  # noqa: SLF001 - of this module
    OptOut: _as_they_are("INSERT INTO opt_out VALUES(?)"),
    Block: _as_they_are("INSERT INTO audit VALUES(?,?,?,?)"),
    KeyValue: _as_they_are("INSERT INTO keyvalue VALUES(?,?,?,?)"),
}


@asynccontextmanager
async def taking(path: Path) -> AsyncIterator[SQLiteTaking]:
    """Open a file, made if absent, that becomes a copy; raise Unavailable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = connect(path)
    try:
        yield SQLiteTaking(connection)
    except apsw.Error as problem:
        raise Unavailable(f"The store {path} cannot be written: {problem}") from problem
    finally:
        connection.close()
