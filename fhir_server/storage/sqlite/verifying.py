"""Whether the audit log is what was written: each block linked to the one before, the end sealed. Reads one moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw

from fhir_server.storage.moving import Block
from fhir_server.storage.sqlite.auditing import SEALING_KEY
from fhir_server.storage.sqlite.marking import refuse_half_copied
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.snapshot import snapshot
from fhir_server.storage.upkeep import Broken, Chain, Reached

BLOCKS = "SELECT number, moment, content, digest FROM audit ORDER BY number"
STATE = "SELECT number, seal FROM audit_state"


def verified(path: Path) -> Iterator[Reached | Broken]:
    """Yield how far the log in a file is sound, and where it is not; raise Unavailable for no store."""
    connection = connect(path, read_only=True)
    try:
        with snapshot(connection):
            refuse_half_copied(connection)
            yield from links(connection)
    finally:
        connection.close()


def links(connection: apsw.Connection) -> Iterator[Reached | Broken]:
    """Yield the same of an open store."""
    total, seal = connection.execute(STATE).get
    chain = Chain(total)
    for row in connection.execute(BLOCKS):
        step = chain.follow(Block._make(row))
        yield step
        if isinstance(step, Broken):
            return
    broken = chain.broken_end(seal, connection.execute(SEALING_KEY).get or b"")
    if broken is not None:
        yield broken
