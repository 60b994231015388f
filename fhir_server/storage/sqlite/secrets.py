"""Random bytes that belong to a store, made when first asked for."""

from __future__ import annotations

import os
from pathlib import Path

from fhir_server.storage.sqlite.schema import connect


def secret_of(path: Path, name: str) -> bytes:
    """Return 32 bytes; raise Unavailable for a file that is no store."""
    connection = connect(path)
    connection.execute("INSERT OR IGNORE INTO secret VALUES(?,?)", (name, os.urandom(32)))
    value: bytes = connection.execute("SELECT value FROM secret WHERE name=?", (name,)).get
    connection.close()
    return value
