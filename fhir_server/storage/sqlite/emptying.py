"""Empty a store, whatever is in it: in one transaction, so that a running server sees all or nothing."""

from __future__ import annotations

from pathlib import Path

import apsw

from fhir_server.fhir.errors import Unavailable
from fhir_server.storage.sqlite.cataloguing import FORGET
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.words import DROP

TABLES = (
    *("resource", "history", "term", "span", "owner", "owned", "secret", "keyvalue"),
    *("person", "opt_out", "register", "fact", "audience", "denial", "audit", "about"),
)


def empty_store(path: Path) -> int:
    """Delete everything and return how many resources there were; raise Unavailable if that fails."""
    if not path.exists():
        return 0
    connection = connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        number: int = connection.execute("SELECT count(*) FROM resource WHERE deleted=0").get
        for table in TABLES:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant
        connection.execute(DROP)
        connection.execute(FORGET)
        connection.execute("INSERT INTO register VALUES('people', 0, 0)")
        connection.execute("UPDATE audit_state SET number=0, seal=x'', published=0")
        connection.execute("COMMIT")
        connection.execute("VACUUM")
    except apsw.Error as problem:
        raise Unavailable(f"The store {path} cannot be emptied: {problem}") from problem
    finally:
        connection.close()
    return number
