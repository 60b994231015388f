"""What operators do to a store in a database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.fhir.errors import Unavailable
from fhir_server.policy.decision import Enforcement
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.emptying import empty_store
from fhir_server.storage.mongo.failures import reading as problems
from fhir_server.storage.mongo.giving import MongoGiving, giving
from fhir_server.storage.mongo.intents import Intents
from fhir_server.storage.mongo.moments import Moments, Transactions
from fhir_server.storage.mongo.opening import connected
from fhir_server.storage.mongo.reindexing import reindex
from fhir_server.storage.mongo.schema import CATALOGUE, STATE, store_state
from fhir_server.storage.mongo.scrub import scrub
from fhir_server.storage.mongo.taking import MongoTaking, taking
from fhir_server.storage.mongo.verifying import links
from fhir_server.storage.parameters import Catalogue
from fhir_server.storage.upkeep import Broken, Extract, Finding, People, Progress, Reached


class MongoUpkeep:
    """See `fhir_server.storage.upkeep.Upkeep`."""

    def __init__(self, url: str, *, single_writes: bool = False) -> None:
        self._url = url
        self._single_writes = single_writes

    def giving(self) -> AbstractAsyncContextManager[MongoGiving]:
        """See Upkeep.giving."""
        self._refuse_single("copied")
        return giving(self._url)

    def taking(self) -> AbstractAsyncContextManager[MongoTaking]:
        """See Upkeep.taking."""
        self._refuse_single("copied")
        return taking(self._url)

    async def catalogue(self) -> Catalogue:
        """See Upkeep.catalogue."""
        async with self._connected() as database:
            with problems():
                state = await store_state(database, single_writes=self._single_writes)
                kept = await database[STATE].find_one({"_id": CATALOGUE}) or {"content": b""}
        return Catalogue(state["revision"], state["generation"], kept["content"])

    async def scrub(
        self, extract: Extract, *, unsettled: Collection[str], enforcement: Enforcement
    ) -> AsyncIterator[Progress | Finding]:
        """See Upkeep.scrub."""
        async with self._connected() as database:
            moments: Moments = Intents(database) if self._single_writes else Transactions(database)
            with problems():
                async for each in scrub(
                    database, moments, extract, unsettled=unsettled, enforcement=enforcement
                ):
                    yield each

    async def verified(self) -> AsyncIterator[Reached | Broken]:
        """See Upkeep.verified."""
        async with self._connected() as database:
            with problems():
                await store_state(database, single_writes=self._single_writes)
                async for each in links(database):
                    yield each

    async def reindex(
        self, extract: Extract, *, generation: int, people: People, zone: str
    ) -> AsyncIterator[Progress]:
        """See Upkeep.reindex."""
        self._refuse_single("indexed anew")
        async with self._connected() as database:
            with problems():
                steps = reindex(database, extract, generation=generation, people=people, zone=zone)
                async for each in steps:
                    yield each

    async def empty(self) -> int:
        """See Upkeep.empty."""
        async with self._connected() as database:
            with problems():
                return await empty_store(database, single_writes=self._single_writes)

    def _connected(self) -> AbstractAsyncContextManager[AsyncDatabase[Document]]:
        return connected(self._url, single_writes=self._single_writes)

    def _refuse_single(self, what: str) -> None:
        if self._single_writes:
            raise Unavailable(
                f"a store is {what} by transactions, and a standalone has none: start it with --replSet rs0, "
                "run rs.initiate() in mongosh once, and leave out --store-options single-writes"
            )
