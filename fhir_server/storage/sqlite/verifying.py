"""Whether the audit log is what was written: each block linked to the one before, the end sealed. Reads one moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path

import apsw

from fhir_server.fhir.instants import instant
from fhir_server.storage.logbook import Link, linked, sealed, unpacked_entries
from fhir_server.storage.sqlite.auditing import SEALING_KEY
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.snapshot import snapshot

BLOCKS = "SELECT number, moment, content, digest FROM audit ORDER BY number"
STATE = "SELECT number, seal FROM audit_state"


@dataclass(frozen=True, slots=True)
class Reached:
    """The log is sound up to this entry, of so many that there should be; `digest` is that of its block."""

    number: int
    total: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place at which the log is not what was written; nothing is known of what follows."""

    problem: str


def verified(path: Path) -> Iterator[Reached | Broken]:
    """Yield how far the log in a file is sound, and where it is not; raise Unavailable for no store."""
    connection = connect(path, read_only=True)
    try:
        with snapshot(connection):
            yield from links(connection)
    finally:
        connection.close()


def links(connection: apsw.Connection) -> Iterator[Reached | Broken]:
    """Yield the same of an open store."""
    total, seal = connection.execute(STATE).get
    end = Link()
    for number, moment, content, digest in connection.execute(BLOCKS):
        problem = _problem(end, number, moment, content, digest)
        if problem:
            committed = instant(moment)
            yield Broken(f"entries {end.number + 1} to {number} (committed {committed}): {problem}")
            return
        end = Link(number, digest)
        yield Reached(number, total, digest)
    if end.number != total:
        yield Broken(f"it ends with entry {end.number}, and entry {total} was written")
    elif total and not compare_digest(seal, _seal(connection, end)):
        yield Broken(f"entry {total}: the seal of the end is not that of this store")


def _problem(before: Link, number: int, moment: int, content: bytes, digest: bytes) -> str:
    if linked(before, number, moment, content).digest != digest:
        return "the digest is not that of what stands here and before"
    try:
        held = len(unpacked_entries(content))
    except ValueError as problem:
        return str(problem)
    return "" if held == number - before.number else f"it holds {held} entries"


def _seal(connection: apsw.Connection, end: Link) -> bytes:
    return sealed(connection.execute(SEALING_KEY).get or b"", end)
