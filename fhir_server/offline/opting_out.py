"""The national register of opt-outs."""

from __future__ import annotations

from collections.abc import (
    Collection,
)

from fhir_server.offline.telling import tell
from fhir_server.rules import enforcement
from fhir_server.settings import Settings
from fhir_server.storage.contract import OptOuts
from fhir_server.wiring import opened_store


async def load_opt_outs(settings: Settings, numbers: Collection[str], *, as_of: int) -> OptOuts:
    """Put a register of NHS numbers in place of the one in the store; raise FhirError."""
    async with opened_store(settings, enforcement()) as store:
        known = await store.replace_opt_outs(numbers, as_of=as_of)
        await tell(store, f"a register of {known.number} opt-outs was loaded")
        return known


async def opt_outs(settings: Settings) -> OptOuts | None:
    """Return what register of opt-outs the store has; raise FhirError."""
    async with opened_store(settings) as store:
        return await store.opt_outs()
