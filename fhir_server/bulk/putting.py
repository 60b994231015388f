"""Many drafts at once into a store, indexed anew where the search parameters change meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fhir_server.bulk.preparing import Parameters, redrafted
from fhir_server.catalogue.register import InForce, Register
from fhir_server.storage.contract import Draft, Put, Store, WriteResult

_PAUSE = 100


def parameters_in(force: InForce) -> Parameters:
    """Return what drafts are indexed by."""
    return Parameters(force.stamp.generation, force.catalogue.additions())


async def put_all(
    store: Store, register: Register, drafts: Sequence[Draft]
) -> Sequence[WriteResult]:
    """Write all drafts, each by itself; raise OutdatedIndex where the parameters keep changing."""

    async def write(force: InForce) -> Sequence[WriteResult]:
        puts = []
        for number, draft in enumerate(drafts):
            current = draft.generation == force.stamp.generation
            puts.append(Put(draft if current else redrafted(draft, force.extractor)))
            if not current and number % _PAUSE == 0:
                await asyncio.sleep(0)
        return await store.write(puts, atomic=False)

    return await register.settled(write)
