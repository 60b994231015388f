"""Where the stores of the property are kept, on each backend: copied, looked into, and erased row by row."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from fhir_server.policy.decision import Enforcement
from fhir_server.rules import enforcement
from fhir_server.storage.contract import Store
from fhir_server.storage.sqlite.owners import unpacked_patients
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.store import open_store

OWN_ROWS = ("resource", "history", "term", "span", "about")
"""The tables of SQLite with rows of resources; `words`, where it is there, is keyed by them too."""

DENIED = "SELECT DISTINCT owner, kind FROM denial WHERE audience=? AND since<=? AND until>?"

Clock: TypeAlias = Callable[[], int]
Place: TypeAlias = tuple[int, int]
"""Surrogate id and version, 0 for the current one."""


class Held(NamedTuple):
    """A version that a store holds: `version` 0 is the current one; `about` is what it tells of."""

    rid: int
    version: int
    kind: str
    owner: int
    body: bytes | None
    id: str
    about: frozenset[str] = frozenset()

    @property
    def place(self) -> Place:
        """Where it is."""
        return self.rid, self.version


class Kept(Protocol):
    """One store, at rest or open."""

    def open(self, clock: Clock) -> AbstractAsyncContextManager[Store]:
        """Open it."""
        ...

    def clear(self) -> None:
        """Make it a store that was never written."""
        ...

    def copy_to(self, other: Kept) -> None:
        """Put a copy of it in the other's place; it is at rest."""
        ...

    def held(self) -> list[Held]:
        """Return all current and past versions."""
        ...

    def members(self) -> dict[int, tuple[str, ...]]:
        """Return the patients in whose compartments each owner class is."""
        ...

    def denied(self, audience: int, at: int) -> set[tuple[int, str]]:
        """Return what an audience is denied: owner class and type."""
        ...

    def erase(self, places: Iterable[Place]) -> None:
        """Erase versions; with a current one all that there is of it."""
        ...


Keep: TypeAlias = Callable[[str], Kept]
"""Return the store of a name."""


@cache
def rules() -> Enforcement:
    """Return what denials are kept by."""
    return enforcement()


@dataclass(frozen=True)
class InFile:
    """A store on SQLite."""

    path: Path

    def open(self, clock: Clock) -> AbstractAsyncContextManager[Store]:
        """See Kept.open."""
        return open_store(self.path, clock=clock, enforcement=rules())

    def clear(self) -> None:
        """See Kept.clear."""
        for ending in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)

    def copy_to(self, other: Kept) -> None:
        """See Kept.copy_to."""
        assert isinstance(other, InFile)
        other.clear()
        connection = connect(self.path)
        connection.execute("VACUUM INTO ?", (str(other.path),))
        connection.close()

    def held(self) -> list[Held]:
        """See Kept.held."""
        connection = connect(self.path)
        told = "(SELECT group_concat(a.type||'/'||a.id, ' ') FROM about a WHERE a.rid=v.rid AND a.version=v.version)"
        current = f"SELECT rid, 0, type, owner, body, id, {told} FROM resource v"  # noqa: S608 - constants
        past = f"SELECT rid, version, type, owner, body, id, {told} FROM history v"  # noqa: S608 - constants
        rows: list[Any] = [*connection.execute(current), *connection.execute(past)]
        connection.close()
        return [Held._make((*row[:6], _names(row[6]))) for row in rows]

    def members(self) -> dict[int, tuple[str, ...]]:
        """See Kept.members."""
        connection = connect(self.path)
        rows: list[Any] = connection.execute("SELECT owner, patients FROM owner").fetchall()
        connection.close()
        return {owner: unpacked_patients(patients).members for owner, patients in rows}

    def denied(self, audience: int, at: int) -> set[tuple[int, str]]:
        """See Kept.denied."""
        connection = connect(self.path)
        known = connection.execute("SELECT 1 FROM audience WHERE audience=?", (audience,)).get
        assert known, "nothing is worked out for this audience"
        rows = set(connection.execute(DENIED, (audience, at, at)))
        connection.close()
        return rows

    def erase(self, places: Iterable[Place]) -> None:
        """See Kept.erase."""
        connection = connect(self.path)
        words = connection.execute("SELECT 1 FROM sqlite_schema WHERE name='words'").get
        with connection:
            for rid, version in sorted(places):
                if version:
                    own = "DELETE FROM history WHERE rid=? AND version=?"
                    connection.execute(own, (rid, version))
                    continue
                for table in OWN_ROWS:
                    connection.execute(f"DELETE FROM {table} WHERE rid=?", (rid,))  # noqa: S608 - constants
                if words:
                    connection.execute("DELETE FROM words WHERE rowid=?", (rid,))
        connection.close()


def _names(told: str | None) -> frozenset[str]:
    return frozenset((told or "").split())


@contextmanager
def in_files() -> Iterator[Keep]:
    """Keep stores on SQLite until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        yield lambda name: InFile(Path(folder, f"{name}.db"))
