"""The only writer of a process: requests that wait together are one transaction, or one intent on a standalone.

One document orders the writes of all processes (`schema.STORE`): each transaction changes it first, so that of two at the
same time one is refused and tried again (`moments`). Moments and surrogate ids so rise in the order of commits, preconditions hold
at the commit, and denials follow their causes (docs/decisions/0042-mongodb.md).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TypeAlias

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from fhir_server.fhir.errors import FhirError, Unavailable
from fhir_server.storage.contract import (
    Delete,
    Expect,
    Put,
    Refused,
    ToldOf,
    WriteOp,
    WriteResult,
)
from fhir_server.storage.logbook import Waiting
from fhir_server.storage.mongo.applying import Applier
from fhir_server.storage.mongo.auditing import log
from fhir_server.storage.mongo.denials import Denials
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.enforcing import Enforcing
from fhir_server.storage.mongo.failures import TRANSIENT, OutOfTime, Overtaken, as_ours
from fhir_server.storage.mongo.moments import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PATIENT_SECONDS,
    Moments,
)
from fhir_server.storage.mongo.turns import Turns
from fhir_server.storage.mongo.workspace import Workspace

GROUP_OPERATIONS = 500
"""Operations after which a group is committed, however many wait."""

Job: TypeAlias = Callable[[Denials], Awaitable[None]]
"""Work on the denials that is written by itself."""


@dataclass(slots=True, eq=False)
class _Request:
    ops: Sequence[WriteOp]
    atomic: bool
    answer: asyncio.Future[Sequence[WriteResult]]
    job: Job | None = None
    told: ToldOf | None = None
    results: list[WriteResult] = field(default_factory=list)
    failure: FhirError | None = None


class Writer:
    """Queues write requests and commits them in groups, in the order of their arrival."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        moments: Moments,
        clock: Callable[[], int],
        enforcing: Enforcing | None,
        *,
        sealing_key: bytes,
    ) -> None:
        self._moments = moments
        self._clock = clock
        self._sealing_key = sealing_key
        self._turns = Turns(database)
        self.enforcing = enforcing
        self._waiting: deque[_Request] = deque()
        self._arrived = asyncio.Event()
        self.log = Waiting(self._arrived.set)
        self._closing = False
        self._at_work: _Request | None = None

    async def write(
        self, ops: Sequence[WriteOp], *, atomic: bool, told: ToldOf | None = None
    ) -> Sequence[WriteResult]:
        """Return the results once they are durable; raise Unavailable if they cannot be made so."""
        answer = asyncio.get_running_loop().create_future()
        return await self._done(_Request(ops, atomic, answer, told=told))

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
        while not self._closing or self._waiting or self.log.is_due:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting or self.log.is_due:
                await self._commit_group()

    def close(self) -> None:
        """Take no more requests; `run` ends when those that wait are committed."""
        self._closing = True
        self.log.close()
        self._arrived.set()

    def _taken(self) -> list[_Request]:
        group: list[_Request] = []
        number = 0
        while self._waiting and (not group or number < GROUP_OPERATIONS):
            if group and not self._moments.sees_own_changes and _asks(self._waiting[0]):
                break
            group.append(self._waiting.popleft())
            number += len(group[-1].ops)
        return group

    async def _commit_group(self) -> None:
        """Write a group, again and again while that may help; whoever is at fault is left out."""
        group, logged = self._taken(), self.log.taken()
        until, pause = monotonic() + PATIENT_SECONDS, FIRST_PAUSE
        while group or logged:
            try:
                await self._turns.arrive()
                await self._attempt(group, logged)
            except Exception as problem:  # noqa: BLE001 - one caller's fault must not end the writer
                if _may_pass(problem) and monotonic() < until:
                    await self._wait(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                group = self._failed(group, problem)
                if not group:
                    self.log.failed()
                    break
            else:
                self.log.committed(len(logged))
                for each in group:
                    _answer(each)
                break
        with suppress(PyMongoError):
            await self._turns.done()

    async def _wait(self, pause: float) -> None:
        with suppress(PyMongoError):
            await self._turns.queue()
        await asyncio.sleep(pause)

    def _failed(self, group: list[_Request], problem: Exception) -> list[_Request]:
        """Answer who is at fault, all of them where nobody in particular is; return the others."""
        at_work = None if _may_pass(problem) else self._at_work
        for each in group:
            if at_work in {None, each}:
                each.failure = _nothing_written(problem)
                _answer(each)
        return [each for each in group if at_work not in {None, each}]

    async def _attempt(self, group: list[_Request], logged: Sequence[bytes]) -> None:
        """Write a group at one moment."""
        self._at_work = None
        await self._moments.write(partial(self._apply, group, logged))

    async def _apply(
        self,
        group: list[_Request],
        logged: Sequence[bytes],
        workspace: Workspace,
        state: Document,
    ) -> Document:
        applier = Applier(workspace, state, self._clock(), self.enforcing)
        await applier.prepare(op for request in group for op in request.ops)
        for request in group:
            self._at_work = request
            await _apply_one(request, applier, workspace)
        self._at_work = None
        told = [each.told(each.results) for each in group if each.told and _holds(each)]
        if logged or told:
            await log(workspace, [*logged, *told], applier.moment, self._sealing_key)
        return applier.state


async def _apply_one(request: _Request, applier: Applier, workspace: Workspace) -> None:
    """Apply one request's operations; leave nothing of one that fails, or of an atomic one that is refused."""
    request.results, request.failure = [], None
    mark, state = workspace.mark, applier.state
    try:
        applier.check_generation(request.ops)
        if request.job is not None:
            assert applier.denials is not None, "a store that keeps no denials has no such jobs"
            await request.job(applier.denials)
        for number, op in enumerate(request.ops):
            result = await applier.apply(op)
            request.results.append(result)
            if request.atomic and isinstance(result, Refused):
                request.results = [Refused() for _ in request.ops]
                request.results[number] = result
                break
        else:
            return
    except FhirError as failure:
        request.failure = failure
    workspace.undo(mark)
    applier.undone(state)


def _holds(request: _Request) -> bool:
    """Tell whether nothing of a write failed or was refused."""
    return request.failure is None and not any(isinstance(e, Refused) for e in request.results)


def _asks(request: _Request) -> bool:
    """Tell whether a write has a precondition that is searched for."""
    return any(isinstance(e, Expect | Put | Delete) and e.expectation for e in request.ops)


def _may_pass(problem: Exception) -> bool:
    if isinstance(problem, Overtaken):
        return True
    return isinstance(problem, PyMongoError) and problem.has_error_label(TRANSIENT)


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
    failure = type(cause)(f"Nothing was written. {cause}")
    failure.__cause__ = problem
    return failure
