"""What operators do to a store in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from fhir_server.policy.decision import Enforcement
from fhir_server.storage.parameters import Catalogue
from fhir_server.storage.sqlite.cataloguing import catalogue_in
from fhir_server.storage.sqlite.emptying import empty_store
from fhir_server.storage.sqlite.giving import SQLiteGiving, giving
from fhir_server.storage.sqlite.reindexing import reindex
from fhir_server.storage.sqlite.scrub import scrub
from fhir_server.storage.sqlite.taking import SQLiteTaking, taking
from fhir_server.storage.sqlite.verifying import verified
from fhir_server.storage.upkeep import Broken, Extract, Finding, People, Progress, Reached


class SQLiteUpkeep:
    """See `fhir_server.storage.upkeep.Upkeep`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def giving(self) -> AbstractAsyncContextManager[SQLiteGiving]:
        """See Upkeep.giving."""
        return giving(self._path)

    def taking(self) -> AbstractAsyncContextManager[SQLiteTaking]:
        """See Upkeep.taking."""
        return taking(self._path)

    async def catalogue(self) -> Catalogue:
        """See Upkeep.catalogue."""
        return catalogue_in(self._path)

    async def scrub(
        self, extract: Extract, *, unsettled: Collection[str], enforcement: Enforcement
    ) -> AsyncIterator[Progress | Finding]:
        """See Upkeep.scrub."""
        for each in scrub(self._path, extract, unsettled=unsettled, enforcement=enforcement):
            yield each

    async def verified(self) -> AsyncIterator[Reached | Broken]:
        """See Upkeep.verified."""
        for each in verified(self._path):
            yield each

    async def reindex(
        self, extract: Extract, *, generation: int, people: People, zone: str
    ) -> AsyncIterator[Progress]:
        """See Upkeep.reindex."""
        steps = reindex(self._path, extract, generation=generation, people=people, zone=zone)
        for each in steps:
            yield each

    async def empty(self) -> int:
        """See Upkeep.empty."""
        return empty_store(self._path)
