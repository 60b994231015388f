"""Index what was there before a search parameter, a few resources at a time, while others read and write.

One process at a time does it, by a lease in the catalogue. That is for economy alone: a record is replaced only
under the version and the generation that it was made of, so that no work of two could contradict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fhir_server.catalogue.register import InForce, Register
from fhir_server.fhir.errors import FhirError, OutdatedIndex
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import Stored
from fhir_server.policy.visibility import Visibility
from fhir_server.search.catalogue import Catalogue, Work
from fhir_server.storage.contract import Reindex, Store

TOGETHER = 100
"""Resources that are indexed and committed together."""

PAUSE = 10
"""Resources after which the event loop gets its turn."""

LEASE = 30_000_000
"""Microseconds after which another process takes the work over from one that fell silent."""


class Backfill:
    """Does the work of the catalogue step by step; `holder` names this process."""

    def __init__(self, store: Store, register: Register, holder: str) -> None:
        self._store = store
        self._register = register
        self._holder = holder
        self._ahead: dict[str, Work] = {}
        self._generation = -1

    async def step(self, now: int) -> bool:
        """Do the next part; tell whether there may be more to do here. `now` is in microseconds."""
        try:
            await self._register.refresh()
            return await self._step(now)
        except OutdatedIndex:
            return True

    async def _step(self, now: int) -> bool:
        force = self._register.current
        catalogue = force.catalogue
        if not catalogue.work:
            return False
        if catalogue.holder != self._holder:
            if catalogue.holder and now < catalogue.until:
                return False
            return await self._keep(catalogue, now)
        if now > catalogue.until - LEASE // 2:
            return await self._keep(catalogue, now)
        return await self._work(force, now)

    async def release(self) -> None:
        """Give the lease back, so that others need not wait for its end."""
        await self._register.refresh()
        catalogue = self._register.current.catalogue
        if catalogue.holder == self._holder:
            await self._register.replace(catalogue.held("", 0))

    async def _keep(self, catalogue: Catalogue, now: int) -> bool:
        """Replace the catalogue, with the lease prolonged while there is work."""
        held = (
            catalogue.held(self._holder, now + LEASE) if catalogue.work else catalogue.held("", 0)
        )
        await self._register.replace(held)
        return True

    async def _work(self, force: InForce, now: int) -> bool:
        """Index some resources of the first type that has any; what has none left is done."""
        if force.stamp.generation != self._generation:
            self._ahead, self._generation = {}, force.stamp.generation
        finished: list[str] = []
        for kind, kept in force.catalogue.work.items():
            work = self._ahead.get(kind) or await self._begun(kind, kept)
            rows = await self._rows(kind, work)
            if rows and not finished:
                return await self._index(force, kind, work, rows, now)
            if rows:
                break
            finished.append(kind)
        return await self._keep(force.catalogue.finished(finished), now)

    async def _begun(self, kind: str, work: Work) -> Work:
        """Return the work with its bounds: what is created after the catalogue was is indexed by it."""
        if work.highest >= 0:
            return work
        extent = await self._store.extent(kind)
        return Work(extent.highest, total=extent.count)

    async def _rows(self, kind: str, work: Work) -> Sequence[Stored]:
        sight = Visibility.system("every resource is indexed by every search parameter")
        return await self._store.walk(
            sight, kind, after=work.reached, highest=work.highest, limit=TOGETHER
        )

    async def _index(
        self, force: InForce, kind: str, work: Work, rows: Sequence[Stored], now: int
    ) -> bool:
        ops, problem = await _reindexed(force, rows)
        if problem and force.catalogue.is_awaited(kind):
            told = f"{kind} cannot be indexed by it: {problem}"
            return await self._keep(force.catalogue.failed(kind, told), now)
        await self._store.write(ops, atomic=False)
        done = Work(work.highest, rows[-1].key.id, work.done + len(rows), work.total)
        self._ahead[kind] = done
        kept = force.catalogue.work[kind]
        if kept.highest < 0 or kept.percent != done.percent:
            return await self._keep(force.catalogue.reached(kind, done), now)
        return True


async def _reindexed(force: InForce, rows: Sequence[Stored]) -> tuple[list[Reindex], str]:
    """Return the records of resources made anew, and why that of one cannot be made, nothing if all can."""
    ops: list[Reindex] = []
    problem = ""
    extractor = force.extractor
    for number, each in enumerate(rows, 1):
        try:
            record = extractor.extract(parse_resource(each.body or b""))
        except FhirError as error:
            problem = str(error)
        else:
            ops.append(Reindex(each.key, each.version, record, extractor.generation))
        if number % PAUSE == 0:
            await asyncio.sleep(0)
    return ops, problem
