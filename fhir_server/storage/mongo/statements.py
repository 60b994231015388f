"""What is asked of the server: each statement within the time of its request, and of one moment where there are several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from copy import copy
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.failures import OutOfTime, answered
from fhir_server.storage.mongo.schema import Fields

AT_ONCE = 1_000
"""Values that a statement names at once."""

ABORT_SECONDS = 2.0
"""How long the end of a transaction that failed is waited for."""

T = TypeVar("T")

MAJORITY = WriteConcern("majority", j=True)
SNAPSHOT = ReadConcern("snapshot")


class Rows(Protocol):
    """The documents that a statement found, as they come; what is closed early is left as it is."""

    def __aiter__(self) -> AsyncIterator[Document]:
        """Yield them."""
        ...

    async def __aenter__(self) -> Self:
        """Return this."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Have the rest forgotten by the server."""
        ...

    async def to_list(self) -> list[Document]:
        """Return all of them."""
        ...


class Statements:
    """Reads of one request. With a session they are of its transaction; `seconds` are for all of them."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        *,
        seconds: float,
        session: AsyncClientSession | None = None,
    ) -> None:
        self.database = database
        self.session = session
        self._deadline = monotonic() + seconds

    def __getitem__(self, collection: str) -> AsyncCollection[Document]:
        return self.database[collection]

    @property
    def left(self) -> int:
        """Milliseconds that are left; raise OutOfTime where there are none."""
        left = int((self._deadline - monotonic()) * 1000)
        if left <= 0:
            raise OutOfTime
        return left

    def within(self, seconds: float) -> Self:
        """Return the same with other seconds."""
        other = copy(self)
        other._deadline = monotonic() + seconds  # noqa: SLF001 - of its own kind
        return other

    async def one(
        self, collection: str, wanted: Document, members: Mapping[str, int] | None = None
    ) -> Document | None:
        """Return the document that is wanted, None if there is none."""
        found: Document | None = await self[collection].find_one(
            wanted, members, session=self.session, max_time_ms=self.left
        )
        return found

    def find(  # noqa: PLR0913 - the parts of a statement, each by keyword
        self,
        collection: str,
        wanted: Document,
        members: Mapping[str, int] | None = None,
        *,
        order: Fields = (),
        limit: int = 0,
        hint: str | None = None,
    ) -> Rows:
        """Return the documents that are wanted; `limit` 0: all of them."""
        cursor = self[collection].find(
            wanted,
            members,
            limit=limit,
            # The server gives 101 at first: of a page of more the rest would be asked for again.
            batch_size=limit,
            hint=hint,
            session=self.session,
            max_time_ms=self.left,
        )
        return cursor.sort(list(order)) if order else cursor

    async def all(  # noqa: PLR0913 - as find has it
        self,
        collection: str,
        wanted: Document,
        members: Mapping[str, int] | None = None,
        *,
        order: Fields = (),
        limit: int = 0,
        hint: str | None = None,
    ) -> list[Document]:
        """Return the documents that are wanted as a list."""
        cursor = self.find(collection, wanted, members, order=order, limit=limit, hint=hint)
        return await cursor.to_list()

    async def count(
        self, collection: str, wanted: Document, *, limit: int = 0, hint: str | None = None
    ) -> int:
        """Count the documents that are wanted, up to a limit if there is one."""
        options: dict[str, Any] = {"limit": limit} if limit else {}
        if hint:
            options["hint"] = hint
        return await self[collection].count_documents(
            wanted, session=self.session, maxTimeMS=self.left, **options
        )

    async def grouped(
        self, collection: str, wanted: Document, member: str, *, hint: str | None = None
    ) -> AsyncIterator[Document]:
        """Yield the values (`_id`) that a member has in what is wanted, each with its number."""
        stages = [{"$match": wanted}, {"$group": {"_id": f"${member}", "number": {"$sum": 1}}}]
        options: dict[str, Any] = {"hint": hint} if hint else {}
        cursor = await self[collection].aggregate(
            stages, session=self.session, maxTimeMS=self.left, **options
        )
        async with cursor:
            async for each in cursor:
                yield each

    async def distinct(self, collection: str, member: str, wanted: Document) -> Sequence[Any]:
        """Return the values that a member has."""
        # Not the command of that name: within a transaction it is refused on a collection that is sharded.
        # Sorted first, so that an index is read at each of its values alone.
        stages = [{"$match": wanted}, {"$sort": {member: 1}}, {"$group": {"_id": f"${member}"}}]
        cursor = await self[collection].aggregate(stages, session=self.session, maxTimeMS=self.left)
        return [each["_id"] async for each in cursor]


def together(values: Sequence[T]) -> Iterator[list[T]]:
    """Yield values in such numbers as a statement names at once."""
    return (list(values[start : start + AT_ONCE]) for start in range(0, len(values), AT_ONCE))


@asynccontextmanager
async def of_one_moment(
    database: AsyncDatabase[Document], *, seconds: float
) -> AsyncIterator[Statements]:
    """Yield what reads within a transaction: all of it is of one moment."""
    async with in_transaction(database) as session, answered(seconds):
        yield Statements(database, seconds=seconds, session=session)
        # Committed with a majority: else what was read might be rolled back.
        # https://www.mongodb.com/docs/manual/core/transactions/
        await session.commit_transaction()


@asynccontextmanager
async def in_transaction(database: AsyncDatabase[Document]) -> AsyncIterator[AsyncClientSession]:
    """Yield a session in a transaction, which the block commits; one that fails is aborted."""
    async with database.client.start_session() as session:
        await session.start_transaction(SNAPSHOT, MAJORITY, ReadPreference.PRIMARY)
        try:
            yield session
        except BaseException:
            await _abort(session)
            raise


async def _abort(session: AsyncClientSession) -> None:
    """Abort what was not committed; a server that keeps silent is not waited for: it does so by itself."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ABORT_SECONDS):
            if session.in_transaction:
                await session.abort_transaction()


async def done_at_once(
    database: AsyncDatabase[Document], work: Callable[[AsyncClientSession], Awaitable[T]]
) -> T:
    """Return what work in a transaction of its own gives; the driver tries it again where that may help."""
    async with database.client.start_session() as session:
        return await session.with_transaction(
            work,
            read_concern=SNAPSHOT,
            write_concern=MAJORITY,
            read_preference=ReadPreference.PRIMARY,
        )
