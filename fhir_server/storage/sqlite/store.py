"""The SQLite store: point reads inline, searches inline while they are cheap, else on a thread.

A thread hop costs more than most reads take; a search that outgrows its inline budget is stopped and run again
on a reader thread, so that no request holds the event loop up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from fhir_server.fhir.resource import Key, Stored
from fhir_server.policy.decision import Audience, Decision, Enforcement, Person, first_denial
from fhir_server.policy.visibility import Visibility
from fhir_server.search.advice import advice
from fhir_server.search.defaults import DEFAULT_ZONE
from fhir_server.search.expression import Plan
from fhir_server.storage.contract import OptOuts, ToldOf, WriteOp, WriteResult
from fhir_server.storage.explanation import Explanation
from fhir_server.storage.pages import (
    Change,
    Count,
    HistoryPage,
    HistoryScope,
    Page,
    Part,
    Position,
    Row,
)
from fhir_server.storage.parameters import Catalogue, Extent, Stamp
from fhir_server.storage.sqlite import cataloguing
from fhir_server.storage.sqlite.admitting import admitting
from fhir_server.storage.sqlite.auditing import SQLiteAuditLog
from fhir_server.storage.sqlite.budget import PATIENT_SECONDS, OutOfBudget
from fhir_server.storage.sqlite.denials import Denials
from fhir_server.storage.sqlite.identifying import identifiers
from fhir_server.storage.sqlite.marking import check_index
from fhir_server.storage.sqlite.piecemeal import Piecemeal
from fhir_server.storage.sqlite.remembering import SQLiteKeyValues
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.secrets import secret_of
from fhir_server.storage.sqlite.session import Readers, Session
from fhir_server.storage.sqlite.words import is_behind, too_costly
from fhir_server.storage.sqlite.writer import Writer

READERS = 2
WORDS_SECONDS = 5.0
"""How long a search waits for words to be indexed."""

CHUNK = 500
"""Rows that a scan or the change feed reads at a time."""

T = TypeVar("T")


class SQLiteStore:
    """A Store on one SQLite file: see `fhir_server.storage.contract.Store`."""

    def __init__(
        self,
        path: Path,
        writer: Writer,
        threads: ThreadPoolExecutor,
        *,
        seconds: float,
        deciding: Callable[[apsw.Connection], Denials] | None = None,
    ) -> None:
        self._path = path
        self._writer = writer
        self._on_thread = Readers(path, threads, seconds)
        self._inline = Session(path, seconds)
        self._decides = deciding
        self._deciding = None if deciding is None else deciding(self._inline.connection)
        self._piecemeal = Piecemeal(writer, self._decided)
        self._key_values = SQLiteKeyValues(self._inline.connection, writer)
        self._audit_log = SQLiteAuditLog(self._inline.connection, writer.log)

    @property
    def has_transactions(self) -> bool:
        """See Store.has_transactions."""
        return True

    @property
    def key_values(self) -> SQLiteKeyValues:
        """See Store.key_values."""
        return self._key_values

    @property
    def audit_log(self) -> SQLiteAuditLog:
        """See Store.audit_log."""
        return self._audit_log

    @admitting
    async def read(self, sight: Visibility, key: Key, version: int | None = None) -> Stored | None:
        """See Store.read."""
        if version is None:
            return self._inline.reader.current(sight, key)
        return self._inline.reader.version(sight, key, version)

    @admitting
    async def read_many(self, sight: Visibility, keys: Sequence[Key]) -> Sequence[Row]:
        """See Store.read_many."""
        return self._inline.reader.many(sight, keys)

    @admitting
    async def search(
        self,
        sight: Visibility,
        plan: Plan,
        after: Position | None,
        limit: int,
        *,
        records: bool = True,
    ) -> Page:
        """See Store.search."""
        if plan.asks_for_words:
            await self._index_words()
        return await self._within_budget(
            lambda each: each.searcher.page(sight, plan, after, limit, records=records),
            lambda: advice(plan),
        )

    @admitting
    async def count(self, sight: Visibility, plan: Plan) -> Count:
        """See Store.count."""
        if plan.asks_for_words:
            await self._index_words()
        return await self._within_budget(
            lambda each: each.searcher.count(sight, plan), lambda: advice(plan, counted=True)
        )

    @admitting
    async def explain(
        self, sight: Visibility, plan: Plan, after: Position | None, limit: int
    ) -> Explanation:
        """See Store.explain."""
        return await self._on_thread(lambda each: each.explainer.explain(sight, plan, after, limit))

    @admitting
    async def history(
        self, sight: Visibility, scope: HistoryScope, after: Position | None, limit: int
    ) -> HistoryPage:
        """See Store.history."""
        return await self._within_budget(
            lambda each: each.reader.history(sight, scope, after, limit),
            lambda: "ask for the history of a type or of one resource, or for a later _since",
        )

    async def write(
        self, ops: Sequence[WriteOp], *, atomic: bool, told: ToldOf | None = None
    ) -> Sequence[WriteResult]:
        """See Store.write."""
        return await self._writer.write(ops, atomic=atomic, told=told)

    async def now(self) -> int:
        """See Store.now."""
        return self._inline.reader.latest_moment()

    async def scan(self, sight: Visibility, part: Part, as_of: int) -> AsyncIterator[Stored]:
        """See Store.scan."""
        start: int | None = part.low
        while start is not None:
            rows, start = await self._as_of(sight, Part(part.type, start, part.high), as_of)
            for row in rows:
                yield row

    @admitting
    async def _as_of(
        self, sight: Visibility, part: Part, as_of: int
    ) -> tuple[Sequence[Stored], int | None]:
        return await self._on_thread(lambda each: each.reader.as_of(sight, part, as_of, CHUNK))

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

    def identifiers(self, sight: Visibility, kind: str, system: str) -> AsyncGenerator[str, None]:
        """See Store.identifiers."""
        assert sight.is_unlimited, "nobody is told whose they are"
        return identifiers(self._on_thread, kind, system)

    async def replace_opt_outs(self, numbers: Collection[str], *, as_of: int) -> OptOuts:
        """See Store.replace_opt_outs."""
        await self._piecemeal.replace_opt_outs(numbers, as_of)
        found = await self.opt_outs()
        assert found is not None
        return found

    async def opt_outs(self) -> OptOuts | None:
        """See Store.opt_outs."""
        return self._inline.reader.opt_outs()

    async def people(self, numbers: Collection[str]) -> Mapping[str, Person]:
        """See Store.people."""
        assert self._deciding is not None, "a store without enforcement decides nothing"
        return self._deciding.people(numbers)

    async def decision(self, key: Key, audience: Audience, *, at: int) -> Decision | None:
        """See Store.decision."""
        assert self._deciding is not None, "a store without enforcement decides nothing"
        decided = [
            self._deciding.decided(owner, kind, audience, at=at)
            for kind, owner in self._inline.reader.owners_of(key)
        ]
        return first_denial(decided) if decided else None

    async def admit(self, audience: Audience) -> None:
        """See Admits.admit."""
        await self._piecemeal.admit(audience, lambda: self._inline.reader.knows(audience))

    def opened(self, sight: Visibility) -> Visibility:
        """See Admits.opened."""
        assert self._deciding is not None, "a store without enforcement opens nothing"
        return self._deciding.opened(sight)

    async def _decided(self, work: Callable[[Denials], T]) -> T:
        decides = self._decides
        assert decides is not None, "a store without enforcement decides nothing"
        return await self._on_thread(lambda each: work(decides(each.connection)))

    async def stamp(self) -> Stamp:
        """See Store.stamp."""
        return cataloguing.stamp(self._inline.connection)

    async def catalogue(self) -> Catalogue:
        """See Store.catalogue."""
        return cataloguing.catalogue(self._inline.connection)

    async def extent(self, resource_type: str) -> Extent:
        """See Store.extent."""
        return await self._on_thread(lambda each: each.reader.extent(resource_type))

    @admitting
    async def walk(
        self, sight: Visibility, resource_type: str, *, after: str, highest: int, limit: int
    ) -> Sequence[Stored]:
        """See Store.walk."""
        return await self._on_thread(
            lambda each: each.reader.following(sight, resource_type, after, highest, limit)
        )

    async def secret(self, name: str) -> bytes:
        """See Store.secret."""
        return await asyncio.to_thread(secret_of, self._path, name)

    def close(self) -> None:
        """Close the reading connections; the writer's is its own."""
        self._inline.connection.close()

    async def _index_words(self) -> None:
        """Have words indexed that a search asks for; raise TooCostly if that takes too long."""
        try:
            async with asyncio.timeout(WORDS_SECONDS):
                while is_behind(self._inline.connection):
                    await self._writer.index_words()
        except TimeoutError:
            raise too_costly(self._inline.connection) from None

    async def _within_budget(self, work: Callable[[Session], T], told: Callable[[], str]) -> T:
        try:
            return self._inline.budget.inline(partial(work, self._inline))
        except OutOfBudget:
            # Left first: it holds the statements that were cut off, and with them their moment.
            pass
        return await self._on_thread(lambda each: each.budget.patient(partial(work, each), told))


@asynccontextmanager
async def open_store(
    path: Path,
    *,
    clock: Callable[[], int],
    seconds: float = PATIENT_SECONDS,
    enforcement: Enforcement | None = None,
    zone: str = DEFAULT_ZONE,
) -> AsyncIterator[SQLiteStore]:
    """Open a store in a file, made if absent; `clock` gives microseconds since 1970.

    A search may take so many seconds. Without `enforcement` no denials are kept, and no sight may have an audience.

    `zone` is that of the dates which name none.

    Leaving it commits what waits, and closes. Raises Unavailable for a file that is no store, or was indexed otherwise.
    """
    connection = connect(path)
    check_index(connection, zone)
    deciding = denials = None
    if enforcement is not None:
        deciding = partial(Denials, enforcement=enforcement, key=secret_of(path, "people"))
        denials = deciding(connection)
        denials.settle()
    writer = Writer(connection, clock, denials)
    with ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-reader") as threads:
        store = SQLiteStore(path, writer, threads, seconds=seconds, deciding=deciding)
        writing = asyncio.create_task(writer.run())
        try:
            yield store
        finally:
            writer.close()
            await writing
            store.close()
            connection.close()
