"""Index every resource anew, a few hundred in one transaction: a running server goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw

from fhir_server.fhir.errors import Unavailable
from fhir_server.search.record import IndexRecord, packed, unpacked
from fhir_server.storage.sqlite import cataloguing
from fhir_server.storage.sqlite.index import Index
from fhir_server.storage.sqlite.owners import Owners
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.scrub import Progress

TOGETHER = 500

SELECT = """
SELECT rid, type, primary_date, owner, record, body FROM resource
WHERE rid>? AND deleted=0 ORDER BY rid LIMIT ?
"""
UPDATE = "UPDATE resource SET primary_date=?, owner=?, record=? WHERE rid=?"


def reindex(
    path: Path, extract: Callable[[bytes], IndexRecord], *, generation: int = 0
) -> Iterator[Progress]:
    """Write all index rows anew from the bodies; yield how far it is; raise Unavailable if that fails.

    `generation` is that of the search parameters that `extract` goes by: where these change meanwhile, it ends.
    """
    connection = connect(path)
    try:
        total: int = connection.execute("SELECT count(*) FROM resource WHERE deleted=0").get
        done, last = 0, 0
        while rows := _some(connection, last, extract, generation):
            done, last = done + len(rows), rows[-1]
            yield Progress(done, total)
    except apsw.Error as problem:
        raise Unavailable(f"The store {path} cannot be indexed: {problem}") from problem
    finally:
        connection.close()


def _some(
    connection: apsw.Connection,
    last: int,
    extract: Callable[[bytes], IndexRecord],
    generation: int,
) -> list[int]:
    """Index the resources that follow, in one transaction; return their rids."""
    index, owners = Index(connection), Owners(connection, lambda _: None)
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        if cataloguing.generation(connection) != generation:
            raise Unavailable("The search parameters have changed meanwhile; please run it again")
        rows = connection.execute(SELECT, (last, TOGETHER)).fetchall()
        for row in rows:
            _one(connection, index, owners, extract, row)
        index.flush()
        # Worked out anew when each audience next asks: until then it sees nothing.
        connection.execute("DELETE FROM audience")
        connection.execute("DELETE FROM denial")
    connection.execute("COMMIT")
    return [int(str(row[0])) for row in rows]


def _one(
    connection: apsw.Connection,
    index: Index,
    owners: Owners,
    extract: Callable[[bytes], IndexRecord],
    row: tuple[Any, ...],
) -> None:
    rid, kind, primary_date, owner, kept, body = row
    record = extract(body)
    # All of its rows, not the difference: one that is missing comes back.
    index.remove(kind, unpacked(kept), (primary_date, rid, owner))
    place = record.primary, rid, owners.intern(record)
    index.add(kind, record, place)
    connection.execute(UPDATE, (record.primary, place[2], packed(record), rid))
