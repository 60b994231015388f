"""What versions tell of: kept beside them, so that whoever reads them looks there (`seeing`)."""

from __future__ import annotations

from typing import Any

import apsw

from fhir_server.search.record import IndexRecord
from fhir_server.search.telling import TELLING
from fhir_server.storage.upkeep import Extract

TOGETHER = 500

FORGET = "DELETE FROM about WHERE rid=? AND version=?"
INSERT = "INSERT INTO about VALUES(?,?,?,?)"
COPY = (
    "INSERT OR IGNORE INTO about SELECT rid, ?1+1, type, id FROM about WHERE rid=?2 AND version=?1"
)
OF_VERSION = "SELECT type, id FROM about WHERE rid=? AND version=? ORDER BY type, id"

_KINDS = ",".join(f"'{each}'" for each in sorted(TELLING))
# Within a statement that names no type no index is of use, and a whole history is read once.
PAST = f"""
SELECT rid, version, body FROM history WHERE type IN ({_KINDS}) AND (rid, version)>(?,?) ORDER BY rid, version LIMIT ?
"""  # noqa: S608 - constants
BURIED = f"SELECT rid, version FROM resource WHERE type IN ({_KINDS}) AND deleted=1"  # noqa: S608 - constants


def tell(connection: apsw.Connection, record: IndexRecord, rid: int, version: int) -> None:
    """Write what a version tells of, in place of what was known."""
    connection.execute(FORGET, (rid, version))
    keys = [each.partition("/") for each in record.about]
    rows = [(rid, version, kind, logical_id) for kind, _, logical_id in keys]
    connection.executemany(INSERT, rows)


def tell_as_before(connection: apsw.Connection, rid: int, version: int) -> None:
    """Have the version after this one, a deletion, tell of what this one does."""
    connection.execute(COPY, (version, rid))


def told(connection: apsw.Connection, rid: int, version: int) -> tuple[str, ...]:
    """Return what a version tells of, in order."""
    rows = connection.execute(OF_VERSION, (rid, version))
    return tuple(f"{kind}/{logical_id}" for kind, logical_id in rows)


def tell_of_past(connection: apsw.Connection, extract: Extract) -> None:
    """Write anew what past versions and deletions tell of, a few hundred in one transaction."""
    last: tuple[int, int] = (0, 0)
    while rows := _rows(connection, PAST, *last, TOGETHER):
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for rid, version, body in rows:
                if body is None:
                    tell_as_before(connection, rid, version - 1)
                else:
                    tell(connection, extract(body), rid, version)
        connection.execute("COMMIT")
        last = rows[-1][:2]
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        for rid, version in _rows(connection, BURIED):
            tell_as_before(connection, rid, version - 1)
    connection.execute("COMMIT")


def _rows(connection: apsw.Connection, statement: str, *values: int) -> list[Any]:
    return connection.execute(statement, values).fetchall()
