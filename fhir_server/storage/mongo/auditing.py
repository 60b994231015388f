"""The audit log: entries are committed in blocks, with the writer's groups, each linked to the one before."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.fhir.resource import Key
from fhir_server.search.record import ids_among
from fhir_server.storage.auditing import Extent, Publish
from fhir_server.storage.logbook import (
    Link,
    Waiting,
    linked,
    packed_entries,
    sealed,
    unpacked_entries,
)
from fhir_server.storage.mongo.documents import HISTORY, RESOURCE, Document
from fhir_server.storage.mongo.failures import answered
from fhir_server.storage.mongo.failures import reading as problems
from fhir_server.storage.mongo.schema import LOG, STATE
from fhir_server.storage.mongo.workspace import Workspace

AUDIT = "audit"
EMPTY: Document = {"_id": LOG, "number": 0, "digest": b"", "seal": b"", "published": 0}


async def log(workspace: Workspace, entries: Sequence[bytes], moment: int, key: bytes) -> None:
    """Write a block; `key` seals where the log ends."""
    state = await workspace.get(STATE, LOG) or EMPTY
    before = Link(state["number"], state["digest"])
    content = packed_entries(entries)
    end = linked(before, before.number + len(entries), moment, content)
    block = {"_id": end.number, "moment": moment, "content": content, "digest": end.digest}
    workspace.add(AUDIT, block)
    ended = {"number": end.number, "digest": end.digest, "seal": sealed(key, end)}
    await workspace.put(STATE, LOG, {**state, **ended})


async def publish(workspace: Workspace, op: Publish) -> bool:
    """Note up to where AuditEvents are made; tell whether others were not faster."""
    state = await workspace.get(STATE, LOG) or EMPTY
    if state["published"] != op.expected:
        return False
    await workspace.put(STATE, LOG, {**state, "published": op.until})
    return True


class MongoAuditLog:
    """An AuditLog in the database of a store: see `fhir_server.storage.auditing.AuditLog`."""

    def __init__(self, database: AsyncDatabase[Document], waiting: Waiting) -> None:
        self._database = database
        self._waiting = waiting

    async def append(self, entry: bytes, *, durable: bool) -> None:
        """See AuditLog.append."""
        await self._waiting.append(entry, durable=durable)

    async def extent(self) -> Extent:
        """See AuditLog.extent."""
        await self._waiting.settled()
        async with answered():
            state = await self._database[STATE].find_one({"_id": LOG}) or EMPTY
        return Extent(state["number"], state["published"])

    async def entries(self, after: int, most: int) -> Sequence[bytes]:
        """See AuditLog.entries."""
        found: list[bytes] = []
        with problems():
            async with self._database[AUDIT].find({"_id": {"$gt": after}}).sort("_id") as blocks:
                async for each in blocks:
                    block = unpacked_entries(each["content"])
                    start = max(0, after - each["_id"] + len(block))
                    found += map(bytes, block[start : start + most - len(found)])
                    if len(found) == most:
                        break
        return found

    async def concerned(self, versions: Sequence[tuple[Key, int]]) -> Sequence[tuple[str, ...]]:
        """See AuditLog.concerned."""
        with problems():
            return [await self._concerned(key, version) for key, version in versions]

    async def _concerned(self, key: Key, version: int) -> tuple[str, ...]:
        found = await self._database[RESOURCE].find_one({"_id": str(key), "v": version}, {"o": 1})
        if found is None:
            past = {"_id": f"{key}/{version}"}
            found = await self._database[HISTORY].find_one(past, {"o": 1})
        if found is None:
            return ()
        owner = await self._database["owner"].find_one({"n": found["o"]}, {"mentions": 1})
        return tuple(ids_among(owner["mentions"])) if owner else ()
