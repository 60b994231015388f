"""The only writer of a process: requests that wait together are one transaction.

One document orders the writes of all processes (`schema.STORE`): each transaction changes it first, so that of two at the
same time one is refused and tried again. Moments and surrogate ids so rise in the order of commits, preconditions hold
at the commit, and denials follow their causes (docs/decisions/0042-mongodb.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeAlias

from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_preferences import ReadPreference

from fhir_server.fhir.errors import FhirError, Unavailable
from fhir_server.storage.contract import Refused, WriteOp, WriteResult
from fhir_server.storage.mongo.applying import Applier, state_of
from fhir_server.storage.mongo.denials import Denials, People
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.failures import TRANSIENT, UNKNOWN_COMMIT, OutOfTime, as_ours
from fhir_server.storage.mongo.schema import STATE, STORE
from fhir_server.storage.mongo.statements import MAJORITY, SNAPSHOT, Statements
from fhir_server.storage.mongo.workspace import Workspace

GROUP_OPERATIONS = 500
"""Operations after which a group is committed, however many wait."""

WRITING_SECONDS = 45.0
"""How long a transaction may take: MongoDB ends one after 60 seconds."""

PATIENT_SECONDS = 20.0
"""How long a group is tried again, and a commit of which nothing is known."""

FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.5

Job: TypeAlias = Callable[[Denials], Awaitable[None]]
"""Work on the denials that is written by itself."""


@dataclass(slots=True, eq=False)
class _Request:
    ops: Sequence[WriteOp]
    atomic: bool
    answer: asyncio.Future[Sequence[WriteResult]]
    job: Job | None = None
    results: list[WriteResult] = field(default_factory=list)
    failure: FhirError | None = None


class Writer:
    """Queues write requests and commits them in groups, in the order of their arrival."""

    def __init__(
        self, database: AsyncDatabase[Document], clock: Callable[[], int], people: People | None
    ) -> None:
        self._database = database
        self._clock = clock
        self.people = people
        self._waiting: deque[_Request] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._at_work: _Request | None = None

    async def write(self, ops: Sequence[WriteOp], *, atomic: bool) -> Sequence[WriteResult]:
        """Return the results once they are durable; raise Unavailable if they cannot be made so."""
        return await self._done(_Request(ops, atomic, asyncio.get_running_loop().create_future()))

    async def do(self, job: Job) -> None:
        """Return once a job on the denials is durable; raise Unavailable if it cannot be made so."""
        answer = asyncio.get_running_loop().create_future()
        await self._done(_Request((), atomic=True, answer=answer, job=job))

    async def _done(self, request: _Request) -> Sequence[WriteResult]:
        if self._closing:
            raise Unavailable("The store is closing")
        self._waiting.append(request)
        self._arrived.set()
        # Shielded: a caller that goes away does not undo what is being committed.
        return await asyncio.shield(request.answer)

    async def run(self) -> None:
        """Commit groups until closed and nothing waits."""
        while not self._closing or self._waiting:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._commit_group(self._taken())

    def close(self) -> None:
        """Take no more requests; `run` ends when those that wait are committed."""
        self._closing = True
        self._arrived.set()

    def _taken(self) -> list[_Request]:
        group = [self._waiting.popleft()]
        number = len(group[0].ops)
        while self._waiting and number + len(self._waiting[0].ops) <= GROUP_OPERATIONS:
            group.append(self._waiting.popleft())
            number += len(group[-1].ops)
        return group

    async def _commit_group(self, group: list[_Request]) -> None:
        """Write a group, again and again while that may help; whoever is at fault is left out."""
        until, pause = monotonic() + PATIENT_SECONDS, FIRST_PAUSE
        while group:
            try:
                await self._attempt(group)
            except Exception as problem:  # noqa: BLE001 - one caller's fault must not end the writer
                may_pass = isinstance(problem, PyMongoError) and problem.has_error_label(TRANSIENT)
                if may_pass and monotonic() < until:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                at_fault = [self._at_work] if self._at_work and not may_pass else group
                for each in at_fault:
                    each.failure = _nothing_written(problem)
                    _answer(each)
                group = [each for each in group if each not in at_fault]
            else:
                for each in group:
                    _answer(each)
                return

    async def _attempt(self, group: list[_Request]) -> None:
        """Write a group in one transaction."""
        self._at_work = None
        async with self._database.client.start_session() as session:
            transaction = await session.start_transaction(
                SNAPSHOT, MAJORITY, ReadPreference.PRIMARY
            )
            async with transaction:
                await self._apply(group, session)
                await _commit(session)

    async def _apply(self, group: list[_Request], session: AsyncClientSession) -> None:
        statements = Statements(self._database, seconds=WRITING_SECONDS, session=session)
        # First of all: who comes second is told so before anything is done.
        state = state_of(
            await self._database[STATE].find_one_and_update(
                {"_id": STORE},
                {"$inc": {"tick": 1}},
                session=session,
                return_document=ReturnDocument.AFTER,
            )
        )
        workspace = Workspace(statements)
        denials = None
        if self.people is not None:
            denials = Denials(workspace, self.people, state["epoch"])
        applier = Applier(workspace, state, self._clock(), denials)
        await applier.prepare(op for request in group for op in request.ops)
        for request in group:
            self._at_work = request
            await self._apply_one(request, applier, workspace, denials)
        self._at_work = None
        await workspace.flush()
        await self._database[STATE].replace_one({"_id": STORE}, applier.state, session=session)

    async def _apply_one(
        self,
        request: _Request,
        applier: Applier,
        workspace: Workspace,
        denials: Denials | None,
    ) -> None:
        """Apply one request's operations; leave nothing of one that fails, or of an atomic one that is refused."""
        request.results, request.failure = [], None
        mark, state = workspace.mark, applier.state
        try:
            if request.job is not None:
                assert denials is not None, "a store that keeps no denials has no such jobs"
                await request.job(denials)
            applier.check_generation(request.ops)
            for op in request.ops:
                request.results.append(await applier.apply(op))
                if request.atomic and isinstance(request.results[-1], Refused):
                    refusal = request.results[-1]
                    number = len(request.results) - 1
                    request.results = [Refused() for _ in request.ops]
                    request.results[number] = refusal
                    workspace.undo(mark)
                    applier.undone(state)
                    return
        except FhirError as failure:
            request.failure = failure
            workspace.undo(mark)
            applier.undone(state)


async def _commit(session: AsyncClientSession) -> None:
    """Commit; where nothing is known of it, again: that is harmless."""
    until, pause = monotonic() + PATIENT_SECONDS, FIRST_PAUSE
    while True:
        try:
            await session.commit_transaction()
        except PyMongoError as problem:
            if not problem.has_error_label(UNKNOWN_COMMIT):
                raise
            if monotonic() > until:
                raise Unavailable(
                    "The connection to MongoDB was lost at the commit: whether it was written is not known"
                ) from problem
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            return


def _answer(request: _Request) -> None:
    if request.answer.done():
        return
    if request.failure is not None:
        request.answer.set_exception(request.failure)
    else:
        request.answer.set_result(request.results)


def _nothing_written(problem: Exception) -> FhirError:
    if isinstance(problem, FhirError):
        return problem
    if isinstance(problem, OutOfTime):
        return Unavailable("Nothing was written: it took too long; please try again")
    cause = as_ours(problem)
    failure = Unavailable(f"Nothing was written. {cause}")
    failure.__cause__ = problem
    return failure
