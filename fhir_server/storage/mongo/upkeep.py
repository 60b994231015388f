"""What operators do to a store in a database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager

from fhir_server.policy.decision import Enforcement
from fhir_server.storage.mongo.emptying import empty_store
from fhir_server.storage.mongo.failures import reading as problems
from fhir_server.storage.mongo.giving import MongoGiving, giving
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

    def __init__(self, url: str) -> None:
        self._url = url

    def giving(self) -> AbstractAsyncContextManager[MongoGiving]:
        """See Upkeep.giving."""
        return giving(self._url)

    def taking(self) -> AbstractAsyncContextManager[MongoTaking]:
        """See Upkeep.taking."""
        return taking(self._url)

    async def catalogue(self) -> Catalogue:
        """See Upkeep.catalogue."""
        async with connected(self._url) as database:
            with problems():
                state = await store_state(database)
                kept = await database[STATE].find_one({"_id": CATALOGUE}) or {"content": b""}
        return Catalogue(state["revision"], state["generation"], kept["content"])

    async def scrub(
        self, extract: Extract, *, unsettled: Collection[str], enforcement: Enforcement
    ) -> AsyncIterator[Progress | Finding]:
        """See Upkeep.scrub."""
        async with connected(self._url) as database:
            with problems():
                steps = scrub(database, extract, unsettled=unsettled, enforcement=enforcement)
                async for each in steps:
                    yield each

    async def verified(self) -> AsyncIterator[Reached | Broken]:
        """See Upkeep.verified."""
        async with connected(self._url) as database:
            with problems():
                await store_state(database)
                async for each in links(database):
                    yield each

    async def reindex(
        self, extract: Extract, *, generation: int, people: People, zone: str
    ) -> AsyncIterator[Progress]:
        """See Upkeep.reindex."""
        async with connected(self._url) as database:
            with problems():
                steps = reindex(database, extract, generation=generation, people=people, zone=zone)
                async for each in steps:
                    yield each

    async def empty(self) -> int:
        """See Upkeep.empty."""
        async with connected(self._url) as database:
            with problems():
                return await empty_store(database)
