"""What belongs together is read of one moment, and written at one: by transactions, or as `intents` does it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Protocol, TypeAlias, TypeVar

from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from fhir_server.fhir.errors import Unavailable
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.failures import UNKNOWN_COMMIT
from fhir_server.storage.mongo.schema import STATE, STORE
from fhir_server.storage.mongo.statements import Statements, in_transaction, of_one_moment
from fhir_server.storage.mongo.workspace import Workspace

WRITING_SECONDS = 45.0
"""How long a write may take: MongoDB ends a transaction after 60 seconds."""

PATIENT_SECONDS = 20.0
"""How long a write is tried again, and a commit of which nothing is known."""

FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.5

T = TypeVar("T")

Work: TypeAlias = Callable[[Workspace, Document], Awaitable[Document]]
"""Changes documents; is given the state of the store, and gives the one that it leaves."""


class Moments(Protocol):
    """How a store is read and written; `sees_own_changes`: what a write asks for sees what it changed before."""

    sees_own_changes: bool

    def statements(self, *, seconds: float) -> Statements:
        """Return what reads by itself, each statement of a moment of its own."""
        ...

    async def read(self, work: Callable[[Statements], Awaitable[T]], *, seconds: float) -> T:
        """Return what work gives that reads all of one moment; it may be done several times."""
        ...

    def stream(
        self, rows: Callable[[Statements], AsyncIterator[T]], *, seconds: float
    ) -> AsyncIterator[T]:
        """Yield what is read, all of it of one moment."""
        ...

    async def write(self, work: Work) -> None:
        """Write what work changes: all of it or nothing. Of two at the same time one is refused, as what may pass."""
        ...


class Transactions:
    """See Moments: by snapshot transactions of MongoDB."""

    sees_own_changes = True

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database

    def statements(self, *, seconds: float) -> Statements:
        """See Moments.statements."""
        return Statements(self._database, seconds=seconds)

    async def read(self, work: Callable[[Statements], Awaitable[T]], *, seconds: float) -> T:
        """See Moments.read."""
        async with of_one_moment(self._database, seconds=seconds) as statements:
            return await work(statements)

    async def stream(
        self, rows: Callable[[Statements], AsyncIterator[T]], *, seconds: float
    ) -> AsyncIterator[T]:
        """See Moments.stream."""
        async with of_one_moment(self._database, seconds=seconds) as statements:
            async for each in rows(statements):
                yield each

    async def write(self, work: Work) -> None:
        """See Moments.write."""
        async with in_transaction(self._database) as session:
            # First of all: who comes second is told so before anything is done.
            state = await self._database[STATE].find_one_and_update(
                {"_id": STORE},
                {"$inc": {"tick": 1}},
                session=session,
                return_document=ReturnDocument.AFTER,
            )
            assert state is not None, "the state is made with the collections"
            statements = Statements(self._database, seconds=WRITING_SECONDS, session=session)
            workspace = Workspace(statements)
            after = await work(workspace, state)
            await workspace.flush()
            await self._database[STATE].replace_one({"_id": STORE}, after, session=session)
            await _commit(session)


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
