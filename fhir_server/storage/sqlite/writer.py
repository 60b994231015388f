"""The only writer of a process: requests that wait together are committed together.

It is one task on the event loop. Its statements run inline: each takes microseconds, whereas a thread would hand the
interpreter's lock over and back at each of them. What may take long without the interpreter runs in a
thread: waiting for another process's write lock, and the commit with its fsync
(docs/decisions/0010-group-commit.md).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import apsw

from fhir_server.fhir.errors import FhirError, OutdatedIndex, Unavailable
from fhir_server.storage.contract import Refused, ToldOf, WriteOp, WriteResult
from fhir_server.storage.sqlite.applying import Applier
from fhir_server.storage.sqlite.auditing import Log
from fhir_server.storage.sqlite.denials import Denials
from fhir_server.storage.sqlite.words import advance

GROUP_OPERATIONS = 500
"""Operations after which a group is committed, however many wait."""

BETWEEN_LOOKS = 0.002
MOST_LOOKS = 15_000
"""Seconds between two looks for another process's write lock, and how many there are: half a minute."""

PAUSE_OPERATIONS = 20
"""Operations after which the event loop gets its turn."""


Job: TypeAlias = Callable[[Denials], object]
"""Work on the denials that is a transaction of its own kind: it runs in a thread."""

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Request:
    ops: Sequence[WriteOp]
    atomic: bool
    answer: asyncio.Future[Sequence[WriteResult]]
    job: Job | None = None
    change: Callable[[apsw.Connection], None] | None = None
    told: ToldOf | None = None
    durable: bool = True
    results: list[WriteResult] = field(default_factory=list)


class Writer:
    """Queues write requests and commits them in groups, in the order of their arrival."""

    def __init__(
        self, connection: apsw.Connection, clock: Callable[[], int], denials: Denials | None = None
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._applier = Applier(connection, denials)
        self._waiting: deque[_Request] = deque()
        self._arrived = asyncio.Event()
        self.log = Log(connection, self._arrived.set)
        self._words_wanted: asyncio.Future[None] | None = None
        self._closing = False
        self._waits_for_disk = True

    async def write(
        self, ops: Sequence[WriteOp], *, atomic: bool, told: ToldOf | None = None
    ) -> Sequence[WriteResult]:
        """Return the results once they are durable; raise Unavailable if they cannot be made so."""
        answer = asyncio.get_running_loop().create_future()
        return await self._done(_Request(ops, atomic, answer, told=told))

    async def do(self, job: Job) -> None:
        """Return once a job on the denials is durable; raise Unavailable if it cannot be made so."""
        await self._done(
            _Request((), atomic=True, answer=asyncio.get_running_loop().create_future(), job=job)
        )

    async def change(
        self, statements: Callable[[apsw.Connection], T], *, durable: bool = True
    ) -> T:
        """Return what a few quick statements give once they are durable, or else committed; raise Unavailable.

        They are run again where the group has to be.
        """
        given: list[T] = []

        def change(connection: apsw.Connection) -> None:
            given[:] = [statements(connection)]

        answer = asyncio.get_running_loop().create_future()
        request = _Request((), atomic=True, answer=answer, change=change, durable=durable)
        await self._done(request)
        return given[0]

    async def _done(self, request: _Request) -> Sequence[WriteResult]:
        if self._closing:
            raise Unavailable("The store is closing")
        self._waiting.append(request)
        self._arrived.set()
        # Shielded: a caller that goes away does not undo what is being committed.
        return await asyncio.shield(request.answer)

    async def index_words(self) -> None:
        """Return once the words of all that was written are indexed; raise Unavailable if they cannot be."""
        if self._closing:
            raise Unavailable("The store is closing")
        if self._words_wanted is None:
            self._words_wanted = asyncio.get_running_loop().create_future()
        self._arrived.set()
        # Shielded: it goes on for those who ask again.
        await asyncio.shield(self._words_wanted)

    async def run(self) -> None:
        """Commit groups until closed and nothing waits; between two of them index words, where that is wanted."""
        while not self._closing or self._waiting or self._words_wanted or self.log.is_due:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting or self._words_wanted or self.log.is_due:
                if self._waiting or self.log.is_due:
                    await self._commit_group()
                if self._words_wanted:
                    await self._index_words(self._words_wanted)

    def close(self) -> None:
        """Take no more requests; `run` ends when those that wait are committed."""
        self._closing = True
        self.log.close()
        self._arrived.set()

    async def _commit_group(self) -> None:
        group: list[_Request] = []
        request: _Request | None = None
        logged = self.log.taken()
        durable = bool(logged) or any(each.durable for each in self._waiting)
        try:
            self._sync(durable=durable)
            await self._begin()
            self._applier.start(self._clock())
            done = 0
            while self._waiting and done < GROUP_OPERATIONS:
                if self._waiting[0].durable and not durable:
                    break
                request = self._waiting.popleft()
                if self._applier.is_outdated(request.ops):
                    _refuse_outdated(request)
                    continue
                await self._apply(request)
                group.append(request)
                done += len(request.ops)
            request = None
            self._applier.index.flush()
            told = [each.told(each.results) for each in group if each.told and _holds(each)]
            await asyncio.to_thread(self._finish, [*logged, *told])
        except Exception as problem:  # noqa: BLE001 - one caller's fault must not end the writer
            self._roll_back()
            self._answer_failure(problem, group, request)
            if request is None:
                self.log.failed()
            else:
                self.log.hasten()
        else:
            self._applier.owners.committed()
            self.log.committed(len(logged))
            for each in group:
                if not each.answer.done():
                    each.answer.set_result(each.results)

    def _finish(self, entries: Sequence[bytes]) -> None:
        """Log and commit: in a thread, as both can do without the interpreter most of the time."""
        if entries:
            self.log.write(entries, self._applier.moment)
        self._connection.execute("COMMIT")

    async def _index_words(self, wanted: asyncio.Future[None]) -> None:
        """Index the words of some resources, in a transaction and a thread of their own."""
        try:
            if self._closing:
                raise Unavailable("The store is closing")  # noqa: TRY301 - to be answered as below
            await self._begin()
            if await asyncio.to_thread(_advance_words, self._connection):
                return
        except Exception as problem:  # noqa: BLE001 - it must not end the writer
            self._roll_back()
            wanted.set_exception(_as_ours(problem))
        else:
            wanted.set_result(None)
        self._words_wanted = None

    def _sync(self, *, durable: bool) -> None:
        """Have the next commit wait for the disk, or not: https://www.sqlite.org/pragma.html#pragma_synchronous."""
        if durable != self._waits_for_disk:
            self._connection.pragma("synchronous", "full" if durable else "normal")
            self._waits_for_disk = durable

    async def _begin(self) -> None:
        """Take the write lock; wait for another process's in a thread."""
        self._connection.set_busy_timeout(0)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            self._connection.set_busy_handler(_looks_again)
            await asyncio.to_thread(self._connection.execute, "BEGIN IMMEDIATE")

    async def _apply(self, request: _Request) -> None:
        """Apply one request's operations; leave nothing of an atomic one that is refused."""
        if request.change is not None:
            request.change(self._connection)
            return
        if request.job is not None:
            assert self._applier.denials is not None
            self._applier.index.flush()
            await asyncio.to_thread(request.job, self._applier.denials)
            return
        guarded = request.atomic and len(request.ops) > 1
        if guarded:
            # What others wrote must not be undone with it.
            self._applier.index.flush()
            self._connection.execute("SAVEPOINT request")
        for number, op in enumerate(request.ops, 1):
            result = self._applier.apply(op)
            request.results.append(result)
            if guarded and isinstance(result, Refused):
                self._undo(request, refused=number - 1)
                break
            if number % PAUSE_OPERATIONS == 0:
                await asyncio.sleep(0)
        if guarded:
            self._connection.execute("RELEASE request")

    def _undo(self, request: _Request, *, refused: int) -> None:
        self._connection.execute("ROLLBACK TO request")
        self._applier.rolled_back()
        result = request.results[refused]
        request.results = [Refused() for _ in request.ops]
        request.results[refused] = result

    def _roll_back(self) -> None:
        self._applier.rolled_back()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _answer_failure(
        self, problem: Exception, group: list[_Request], failed: _Request | None
    ) -> None:
        """Fail the request at fault, or all where the commit failed; the others are tried again."""
        at_fault = [failed] if failed else group or list(self._waiting)
        if failed:
            for each in reversed(group):
                each.results.clear()
                self._waiting.appendleft(each)
        elif not group:
            self._waiting.clear()
        answer = _as_ours(problem)
        for each in at_fault:
            if not each.answer.done():
                each.answer.set_exception(answer)


def _looks_again(looks: int) -> bool:
    """Wait for another process's write lock; tell whether to look for it again.

    SQLite's own waits grow to a tenth of a second, and miss the gaps that a busy writer leaves.
    """
    time.sleep(BETWEEN_LOOKS)
    return looks < MOST_LOOKS


def _holds(request: _Request) -> bool:
    """Tell whether nothing of a write was refused."""
    return not any(isinstance(each, Refused) for each in request.results)


def _advance_words(connection: apsw.Connection) -> bool:
    more = advance(connection)
    connection.execute("COMMIT")
    return more


def _refuse_outdated(request: _Request) -> None:
    if not request.answer.done():
        request.answer.set_exception(
            OutdatedIndex("The search parameters have changed meanwhile; please try again")
        )


def _as_ours(problem: Exception) -> FhirError:
    if isinstance(problem, FhirError):
        return problem
    failure = Unavailable(f"Nothing was written: the store refused ({type(problem).__name__})")
    failure.__cause__ = problem
    return failure
