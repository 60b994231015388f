"""The SQLite store: point reads inline, searches inline while they are cheap, else on a thread.

A thread hop costs more than most reads take; a search that outgrows its inline budget is stopped and run again
on a reader thread, so that no request holds the event loop up.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from threading import local
from typing import TypeVar

from fhir_server.fhir.resource import Key, Stored
from fhir_server.policy.visibility import Visibility
from fhir_server.search.advice import advice
from fhir_server.search.expression import Plan
from fhir_server.storage.contract import (
    Change,
    Count,
    HistoryPage,
    HistoryScope,
    Page,
    Part,
    Position,
    Row,
    WriteOp,
    WriteResult,
)
from fhir_server.storage.sqlite.budget import PATIENT_SECONDS, Budget, OutOfBudget
from fhir_server.storage.sqlite.reading import Reader
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher
from fhir_server.storage.sqlite.writer import Writer

READERS = 2
CHUNK = 500
"""Rows that a scan or the change feed reads at a time."""

T = TypeVar("T")


class _Session:
    """A connection for reading, with its budget."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.connection = connect(path, read_only=True)
        self.reader = Reader(self.connection)
        self.budget = Budget(self.connection, seconds=seconds)
        self.searcher = Searcher(self.connection)


class SQLiteStore:
    """A Store on one SQLite file: see `fhir_server.storage.contract.Store`."""

    def __init__(
        self, path: Path, writer: Writer, threads: ThreadPoolExecutor, *, seconds: float
    ) -> None:
        self._path = path
        self._seconds = seconds
        self._writer = writer
        self._threads = threads
        self._inline = _Session(path, seconds)
        self._of_thread = local()

    async def read(self, sight: Visibility, key: Key, version: int | None = None) -> Stored | None:
        """See Store.read."""
        if version is None:
            return self._inline.reader.current(sight, key)
        return self._inline.reader.version(sight, key, version)

    async def read_many(self, sight: Visibility, keys: Sequence[Key]) -> Sequence[Row]:
        """See Store.read_many."""
        return self._inline.reader.many(sight, keys)

    async def search(
        self, sight: Visibility, plan: Plan, after: Position | None, limit: int
    ) -> Page:
        """See Store.search."""
        return await self._within_budget(
            lambda each: each.searcher.page(sight, plan, after, limit), lambda: advice(plan)
        )

    async def count(self, sight: Visibility, plan: Plan) -> Count:
        """See Store.count."""
        return await self._within_budget(
            lambda each: each.searcher.count(sight, plan), lambda: advice(plan, counted=True)
        )

    async def history(
        self, sight: Visibility, scope: HistoryScope, after: Position | None, limit: int
    ) -> HistoryPage:
        """See Store.history."""
        return await self._within_budget(
            lambda each: each.reader.history(sight, scope, after, limit),
            lambda: "ask for the history of a type or of one resource, or for a later _since",
        )

    async def write(self, ops: Sequence[WriteOp], *, atomic: bool) -> Sequence[WriteResult]:
        """See Store.write."""
        return await self._writer.write(ops, atomic=atomic)

    async def now(self) -> int:
        """See Store.now."""
        return self._inline.reader.latest_moment()

    async def scan(self, sight: Visibility, part: Part, as_of: int) -> AsyncIterator[Stored]:
        """See Store.scan."""
        start: int | None = part.low
        while start is not None:
            rest = Part(part.type, start, part.high)
            rows, start = await self._on_thread(
                lambda each, rest=rest: each.reader.as_of(sight, rest, as_of, CHUNK)  # type: ignore[misc]
            )
            for row in rows:
                yield row

    async def changes(self, after: int) -> AsyncIterator[Change]:
        """See Store.changes."""
        while True:
            found = await self._on_thread(
                lambda each, after=after: each.reader.changes(after, CHUNK)  # type: ignore[misc]
            )
            for change in found:
                yield change
            if len(found) < CHUNK:
                return
            after = found[-1].token

    async def secret(self, name: str) -> bytes:
        """See Store.secret."""
        return await asyncio.to_thread(_secret, self._path, name)

    def close(self) -> None:
        """Close the reading connections; the writer's is its own."""
        self._inline.connection.close()

    async def _within_budget(self, work: Callable[[_Session], T], told: Callable[[], str]) -> T:
        try:
            return self._inline.budget.inline(lambda: work(self._inline))
        except OutOfBudget:
            return await self._on_thread(
                lambda each: each.budget.patient(partial(work, each), told)
            )

    async def _on_thread(self, work: Callable[[_Session], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    def _run(self, work: Callable[[_Session], T]) -> T:
        session: _Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = _Session(self._path, self._seconds)
        return work(session)


def _secret(path: Path, name: str) -> bytes:
    connection = connect(path)
    connection.execute("INSERT OR IGNORE INTO secret VALUES(?,?)", (name, os.urandom(32)))
    value: bytes = connection.execute("SELECT value FROM secret WHERE name=?", (name,)).get
    connection.close()
    return value


@asynccontextmanager
async def open_store(
    path: Path, *, clock: Callable[[], int], seconds: float = PATIENT_SECONDS
) -> AsyncIterator[SQLiteStore]:
    """Open a store in a file, made if absent; `clock` gives microseconds since 1970.

    A search may take so many seconds.

    Leaving it commits what waits, and closes. Raises Unavailable for a file that is no store.
    """
    connection = connect(path)
    writer = Writer(connection, clock)
    with ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader") as threads:
        store = SQLiteStore(path, writer, threads, seconds=seconds)
        writing = asyncio.create_task(writer.run())
        try:
            yield store
        finally:
            writer.close()
            await writing
            store.close()
            connection.close()
