"""The search parameters in force on a store, as one value that is swapped as a whole.

What there is to know is in the store: the SearchParameters that clients wrote, and the catalogue that was derived from
them. Each process keeps what it made of these, and compares a stamp before it relies on it. Whoever notices first that
a SearchParameter was written derives the catalogue anew; of two who do so at once one wins, with the same result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.errors import OutdatedIndex
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import Key, Stored
from fhir_server.policy.visibility import Visibility
from fhir_server.search.catalogue import (
    Catalogue,
    Entry,
    definitions_by,
    indexes_alike,
    packed,
    unpacked,
)
from fhir_server.search.deriving import candidates, derived
from fhir_server.search.indexing import Extractor
from fhir_server.storage.contract import Refused, Store
from fhir_server.storage.parameters import Catalogue as Kept
from fhir_server.storage.parameters import ReplaceCatalogue, Stamp

ATTEMPTS = 10
"""How often what the catalogue changed under is run again."""

TYPE = "SearchParameter"

_READ_TOGETHER = 200
_NO_BOUND = 2**62

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InForce:
    """What the catalogue means: the definitions to search by, and what makes index records."""

    stamp: Stamp
    catalogue: Catalogue
    definitions: Definitions
    extractor: Extractor

    def holds_at(self, stamp: Stamp) -> bool:
        """Tell whether the index is what this was still, by the stamp that the store had once all was read."""
        return stamp.generation == self.stamp.generation and stamp.latest == self.stamp.latest


class Register:
    """What is in force (`current`), and how it keeps up with the store."""

    def __init__(self, store: Store, extractor: Extractor, shipped: Sequence[Entry]) -> None:
        self._store = store
        self._shipped = shipped
        self._read: dict[tuple[Key, int], tuple[Entry, ...]] = {}
        self._known = extractor.definitions.origin
        nothing = Stamp(-1, extractor.generation, 0)
        self.current = InForce(nothing, Catalogue(), self._known, extractor)

    async def check(self, force: InForce) -> None:
        """Raise OutdatedIndex where the index may not be any more what this was when a search began."""
        if not force.holds_at(await self._store.stamp()):
            raise OutdatedIndex("the search parameters have changed meanwhile; please try again")

    async def start(self) -> None:
        """Bring the parameters that are shipped into the catalogue, and what was written without a server."""
        await self._derive(await self._store.catalogue())
        await self.refresh()

    async def refresh(self) -> None:
        """Catch up with the store; raise OutdatedIndex where others change it faster than that."""
        for _ in range(ATTEMPTS):
            stamp = await self._store.stamp()
            if stamp == self.current.stamp:
                return
            kept = await self._store.catalogue()
            if unpacked(kept.content).as_of == stamp.latest:
                self._adopt(kept)
            else:
                await self._derive(kept)
        raise OutdatedIndex(f"the search parameters changed {ATTEMPTS} times; please try again")

    async def replace(self, catalogue: Catalogue) -> bool:
        """Put a catalogue in place of the current one; tell whether that was still there."""
        stamp = self.current.stamp
        before = self.current.catalogue
        kept = Kept(stamp.revision, stamp.generation)
        return await self._replace(kept, before, catalogue)

    async def settled(self, work: Callable[[InForce], Awaitable[T]]) -> T:
        """Do what writes under what is in force; again where that changed meanwhile."""
        for _ in range(ATTEMPTS):
            try:
                return await work(self.current)
            except OutdatedIndex:
                await self.refresh()
        raise OutdatedIndex(f"the search parameters changed {ATTEMPTS} times; please try again")

    def _adopt(self, kept: Kept) -> None:
        catalogue = unpacked(kept.content)
        definitions, indexed = definitions_by(catalogue, self._known)
        extractor = self.current.extractor
        if kept.generation != extractor.generation:
            extractor = extractor.over(indexed, kept.generation)
        stamp = Stamp(kept.revision, kept.generation, catalogue.as_of)
        # One assignment: whoever took the value before goes on with all of it.
        self.current = InForce(stamp, catalogue, definitions, extractor)

    async def _derive(self, kept: Kept) -> None:
        """Replace a catalogue by that of the parameters there are now, where it differs."""
        latest = (await self._store.stamp()).latest
        found = [*self._shipped, *await self._written()]
        before = unpacked(kept.content)
        after = derived(before, found, self._known, as_of=latest)
        if after != before:
            await self._replace(kept, before, after)

    async def _replace(self, kept: Kept, before: Catalogue, after: Catalogue) -> bool:
        generation = kept.generation + (not indexes_alike(before, after))
        op = ReplaceCatalogue(kept.revision, generation, packed(after))
        (result,) = await self._store.write((op,), atomic=False)
        return not isinstance(result, Refused)

    async def _written(self) -> list[Entry]:
        """Return the candidates that clients wrote, the oldest first; what did not change is not read again."""
        stored: list[Stored] = []
        after = ""
        sight = Visibility.system("search parameters are those of the whole server")
        while found := await self._store.walk(
            sight, TYPE, after=after, highest=_NO_BOUND, limit=_READ_TOGETHER
        ):
            stored += found
            after = found[-1].key.id
        read = {}
        for each in sorted(stored, key=lambda each: (each.moment, each.key)):
            version = each.key, each.version
            read[version] = self._read.get(version) or await self._candidates(each)
        self._read = read
        return [entry for entries in read.values() for entry in entries]

    async def _candidates(self, stored: Stored) -> tuple[Entry, ...]:
        await asyncio.sleep(0)  # Someone may have loaded the thousand that HL7 publishes.
        return candidates(str(stored.key), parse_resource(stored.body or b""), self._known)


def shipped_entries(folder: Path, definitions: Definitions) -> list[Entry]:
    """Return the candidates of the files in a folder, in the order of their names."""
    resources = [parse_resource(each.read_bytes()) for each in sorted(folder.glob("*.json"))]
    return [entry for each in resources for entry in candidates(each["url"], each, definitions)]


async def opened_register(store: Store, extractor: Extractor, shipped: Path) -> Register:
    """Return the register of a store, caught up; `shipped` is the folder of the parameters that come with us."""
    register = Register(store, extractor, shipped_entries(shipped, extractor.definitions))
    await register.start()
    return register
