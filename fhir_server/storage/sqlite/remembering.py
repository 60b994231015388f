"""Small values by kind and key: statements, each of them one step of the writer's group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

import apsw

from fhir_server.storage.sqlite.writer import Writer

GET = "SELECT value FROM keyvalue WHERE kind=? AND key=? AND (expires IS NULL OR expires>?)"
ITEMS = """
SELECT key, value FROM keyvalue WHERE kind=? AND (expires IS NULL OR expires>?) ORDER BY key
"""
PUT = "INSERT OR REPLACE INTO keyvalue VALUES(?,?,?,?)"
REMOVE = "DELETE FROM keyvalue WHERE kind=? AND key=?"
SWEEP = """
DELETE FROM keyvalue WHERE (kind, key) IN
  (SELECT kind, key FROM keyvalue WHERE expires<=? ORDER BY expires LIMIT 100)
"""
"""More than one write adds, so that what has expired does not pile up, and few enough to cost nothing."""

T = TypeVar("T")
Change: TypeAlias = Callable[[apsw.Connection], T]


class SQLiteKeyValues:
    """KeyValues in the file of a store: see `fhir_server.storage.keyvalues.KeyValues`."""

    def __init__(self, connection: apsw.Connection, writer: Writer) -> None:
        self._connection = connection
        self._writer = writer

    async def get(self, kind: str, key: str, *, now: int) -> bytes | None:
        """See KeyValues.get."""
        return _value(self._connection, kind, key, now)

    async def items(self, kind: str, *, now: int) -> Sequence[tuple[str, bytes]]:
        """See KeyValues.items."""
        return list(self._connection.execute(ITEMS, (kind, now)))

    async def put(  # noqa: PLR0913 - as KeyValues has it
        self,
        kind: str,
        key: str,
        value: bytes,
        *,
        now: int,
        expires: int | None = None,
        durable: bool = True,
    ) -> None:
        """See KeyValues.put."""

        def change(connection: apsw.Connection) -> None:
            connection.execute(SWEEP, (now,))
            connection.execute(PUT, (kind, key, value, expires))

        await self._writer.change(change, durable=durable)

    async def add(
        self, kind: str, key: str, value: bytes, *, now: int, expires: int | None = None
    ) -> bool:
        """See KeyValues.add."""
        return await self._swap(kind, key, None, value, now, expires)

    async def replace(  # noqa: PLR0913 - as KeyValues has it
        self, kind: str, key: str, old: bytes, new: bytes, *, now: int, expires: int | None = None
    ) -> bool:
        """See KeyValues.replace."""
        return await self._swap(kind, key, old, new, now, expires)

    async def take(self, kind: str, key: str, *, now: int) -> bytes | None:
        """See KeyValues.take."""

        def change(connection: apsw.Connection) -> bytes | None:
            found = _value(connection, kind, key, now)
            connection.execute(REMOVE, (kind, key))
            return found

        return await self._writer.change(change)

    async def remove(self, kind: str, key: str) -> None:
        """See KeyValues.remove."""

        def change(connection: apsw.Connection) -> None:
            connection.execute(REMOVE, (kind, key))

        await self._writer.change(change)

    async def _swap(  # noqa: PLR0913, PLR0917 - what, from what, to what, until when
        self, kind: str, key: str, old: bytes | None, new: bytes, now: int, expires: int | None
    ) -> bool:
        def change(connection: apsw.Connection) -> bool:
            connection.execute(SWEEP, (now,))
            if _value(connection, kind, key, now) != old:
                return False
            connection.execute(PUT, (kind, key, new, expires))
            return True

        return await self._writer.change(change)


def _value(connection: apsw.Connection, kind: str, key: str, now: int) -> bytes | None:
    found: bytes | None = connection.execute(GET, (kind, key, now)).get
    return found
