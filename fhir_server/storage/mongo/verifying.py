"""Whether the audit log is what was written: each block linked to the one before, the end sealed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.storage.mongo.auditing import AUDIT, EMPTY
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.failures import reading as problems
from fhir_server.storage.mongo.giving import block_of
from fhir_server.storage.mongo.schema import LOG, STATE
from fhir_server.storage.upkeep import Broken, Chain, Reached


async def links(database: AsyncDatabase[Document]) -> AsyncIterator[Reached | Broken]:
    """Yield how far the log is sound, and where it is not; what is logged meanwhile is left for the next time."""
    with problems():
        state = await _state(database)
        key = await database["secret"].find_one({"_id": "audit"}) or {"value": b""}
        chain = Chain(state["number"])
        async with database[AUDIT].find({"_id": {"$lte": state["number"]}}).sort("_id") as blocks:
            async for each in blocks:
                step = chain.follow(block_of(each))
                yield step
                if isinstance(step, Broken):
                    return
        broken = chain.broken_end(state["seal"], key["value"]) or await _beyond(database, state)
    if broken is not None:
        yield broken


async def _beyond(database: AsyncDatabase[Document], state: Document) -> Broken | None:
    """Return what is wrong where there are blocks after the end, and nobody has written any since."""
    latest = await database[AUDIT].find({}, {"_id": 1}).sort("_id", -1).to_list(1)
    total = state["number"]
    if latest and latest[0]["_id"] > total and (await _state(database))["number"] == total:
        return Broken(f"it ends with entry {latest[0]['_id']}, and entry {total} was written")
    return None


async def _state(database: AsyncDatabase[Document]) -> Document:
    return await database[STATE].find_one({"_id": LOG}) or EMPTY
