"""The catalogue of search parameters as the store keeps it: one row, compared and swapped."""

from __future__ import annotations

from pathlib import Path

import apsw

from fhir_server.storage.parameters import Catalogue, ReplaceCatalogue, Stamp
from fhir_server.storage.sqlite.schema import connect

STAMP = """
SELECT revision, generation,
  ifnull((SELECT max(moment) FROM resource WHERE type='SearchParameter'), 0) FROM catalogue
"""
SELECT = "SELECT revision, generation, content FROM catalogue"
REPLACE = "UPDATE catalogue SET revision=revision+1, generation=?, content=? WHERE revision=?"
FORGET = """
UPDATE catalogue SET revision=revision+1, generation=generation+1, content=x'' WHERE content!=x''
"""


def stamp(connection: apsw.Connection) -> Stamp:
    """Return what tells whether the catalogue has changed, by two seeks."""
    return Stamp(*connection.execute(STAMP).get)


class Stamps:
    """The stamp as one connection sees it: read again where the store has been written to."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._version = -1
        self._stamp = Stamp(0, 0, 0)

    def since_last_read(self) -> Stamp:
        """Return the stamp, no earlier than the latest statement on this connection was run."""
        version = self._connection.data_version()
        if version != self._version:
            # First the version: whatever is read now is of that one, or of a later one.
            self._version, self._stamp = version, stamp(self._connection)
        return self._stamp


def catalogue(connection: apsw.Connection) -> Catalogue:
    """Return the catalogue."""
    return Catalogue(*connection.execute(SELECT).get)


def catalogue_in(path: Path) -> Catalogue:
    """Return the catalogue of a store in a file, the empty one of a store that has none yet."""
    connection = connect(path, read_only=True)
    try:
        known = connection.execute("SELECT 1 FROM sqlite_schema WHERE name='catalogue'").get
        return catalogue(connection) if known else Catalogue()
    finally:
        connection.close()


def generation(connection: apsw.Connection) -> int:
    """Return the generation that index records are of."""
    found: int = connection.execute("SELECT generation FROM catalogue").get
    return found


def replace(connection: apsw.Connection, op: ReplaceCatalogue) -> bool:
    """Put a catalogue in place of the expected one; tell whether that was still there."""
    connection.execute(REPLACE, (op.generation, op.content, op.expected))
    return bool(connection.changes())
