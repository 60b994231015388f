"""Index every resource anew, a few hundred in one transaction: nodes go on meanwhile, unless the zone changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.search.record import BY_NUMBER, INDEX_FORMAT, IndexRecord
from fhir_server.search.telling import TELLING
from fhir_server.storage.contract import Draft
from fhir_server.storage.mongo.applying import note_axes, state_of
from fhir_server.storage.mongo.denials import Denials
from fhir_server.storage.mongo.documents import HISTORY, RESOURCE, Document, checked, indexed
from fhir_server.storage.mongo.enforcing import Enforcing
from fhir_server.storage.mongo.moments import WRITING_SECONDS
from fhir_server.storage.mongo.owners import Owners, owner_id
from fhir_server.storage.mongo.remembering import secret_of
from fhir_server.storage.mongo.schema import HALF_INDEXED, STATE, STORE, store_state
from fhir_server.storage.mongo.statements import Statements, done_at_once
from fhir_server.storage.mongo.workspace import Workspace
from fhir_server.storage.upkeep import Extract, People, Progress

TOGETHER = 200


async def reindex(
    database: AsyncDatabase[Document],
    extract: Extract,
    *,
    generation: int,
    people: People,
    zone: str,
) -> AsyncIterator[Progress]:
    """See Upkeep.reindex."""
    state = await store_state(database)
    enforcing = Enforcing(people.enforcement, key=await secret_of(database, "people"))
    work = _Work(database, extract, people, enforcing, generation)
    total = await database[RESOURCE].count_documents({"x": False})
    await work.begin(zone if state["zone"] == zone else HALF_INDEXED)
    done, last = 0, 0
    while rids := await work.some(last):
        done, last = done + len(rids), rids[-1]
        yield Progress(done, total)
    await work.tell_of_past()
    await work.end(zone)


@dataclass(frozen=True, slots=True)
class _Work:
    database: AsyncDatabase[Document]
    extract: Extract
    people: People
    enforcing: Enforcing
    generation: int

    async def begin(self, zone: str) -> None:
        """Forget all denials, and note in which zone it is indexed until the end."""

        async def begun(step: _Step) -> None:
            await step.denials.dismiss_all()
            step.state["zone"] = zone

        await self._step(begun)

    async def some(self, last: int) -> Sequence[int]:
        """Index the resources that follow, in one transaction; return their surrogate ids."""
        rows = (
            await self.database[RESOURCE]
            .find({"n": {"$gt": last}, "x": False}, {"_id": 1, "n": 1})
            .sort("n", 1)
            .to_list(TOGETHER)
        )
        if rows:
            await self._step(lambda step: step.index([each["_id"] for each in rows], self))
        return [each["n"] for each in rows]

    async def tell_of_past(self) -> None:
        """Write what past versions and deletions tell of."""
        kinds = {"t": {"$in": sorted(TELLING)}}
        order = (("n", 1), ("v", 1))
        told: Document = {}
        rows = self.database[HISTORY].find(kinds, {"b": 1, "n": 1}).sort(order)
        async for each in rows:
            # A deletion tells of what the version before it did.
            about = told.get(each["n"], []) if each["b"] is None else self._about(each["b"])
            told = {each["n"]: about}
            await self.database[HISTORY].update_one({"_id": each["_id"]}, {"$set": {"a": about}})
        buried = self.database[RESOURCE].find({**kinds, "x": True}, {"n": 1, "v": 1})
        async for each in buried:
            before = {"n": each["n"], "v": each["v"] - 1}
            last = await self.database[HISTORY].find_one(before, {"a": 1})
            there = {"_id": each["_id"], "x": True, "v": each["v"]}
            about = [] if last is None else last["a"]
            await self.database[RESOURCE].update_one(there, {"$set": {"a": about}})

    def _about(self, body: bytes) -> list[str]:
        return list(self.extract(body).about)

    async def end(self, zone: str) -> None:
        """Forget what was laid down by what is there no more, and note that all is indexed."""
        for collection, kind in (("person", "Patient"), ("fact", "Consent")):
            async for each in self.database[collection].find({}, {"_id": 1}):
                if each["_id"].startswith(BY_NUMBER):
                    continue
                key = Key(kind, each["_id"].removeprefix(f"{kind}/"))
                there = {"_id": str(key), "x": False}
                if await self.database[RESOURCE].find_one(there, {"_id": 1}) is None:
                    await self._step(partial(_forget, key))

        async def ended(step: _Step) -> None:
            step.state["zone"] = zone
            step.state["indexed"] = INDEX_FORMAT

        await self._step(ended)

    async def _step(self, work: Callable[[_Step], Awaitable[None]]) -> None:
        await done_at_once(self.database, lambda session: self._apply(work, session))

    async def _apply(
        self, work: Callable[[_Step], Awaitable[None]], session: AsyncClientSession
    ) -> None:
        """Do work in one transaction, in the order of all that write."""
        states = self.database[STATE]
        state = state_of(
            await states.find_one_and_update(
                {"_id": STORE},
                {"$inc": {"tick": 1}},
                session=session,
                return_document=ReturnDocument.AFTER,
            )
        )
        if state["generation"] != self.generation:
            raise Unavailable("The search parameters have changed meanwhile; please run it again")
        workspace = Workspace(Statements(self.database, seconds=WRITING_SECONDS, session=session))
        denials = Denials(workspace, self.enforcing)
        step = _Step(workspace, denials, Owners(workspace, state["owner"], denials), state)
        await work(step)
        await workspace.flush()
        counted = {"owner": step.owners.latest}
        await states.replace_one({"_id": STORE}, {**step.state, **counted}, session=session)


@dataclass(frozen=True, slots=True)
class _Step:
    """One transaction."""

    workspace: Workspace
    denials: Denials
    owners: Owners
    state: Document

    async def index(self, ids: Sequence[str], work: _Work) -> None:
        """Write what these resources are found by anew."""
        await self.workspace.load(RESOURCE, ids)
        current = [await self.workspace.get(RESOURCE, each) for each in ids]
        there = [each for each in current if each is not None and not each["x"]]
        records = [work.extract(each["b"]) for each in there]
        await self.workspace.load("owner", map(owner_id, records))
        await self.denials.prepare([Key(each["t"], each["i"]) for each in there])
        for document, record in zip(there, records, strict=True):
            await self._one(document, record, work.people)

    async def _one(self, document: Document, record: IndexRecord, people: People) -> None:
        key = Key(document["t"], document["i"])
        owner = await self.owners.intern(record)
        indexed_anew = {**document, "o": owner, **indexed(key.type, record)}
        if indexed_anew != document:
            await self.workspace.put(RESOURCE, document["_id"], checked(indexed_anew))
        await note_axes(self.workspace, key.type, record)
        laid_down = people.lay_down(document["b"])
        await self.denials.written(Draft(key, b"", b"", record, laid_down=laid_down))


async def _forget(key: Key, step: _Step) -> None:
    await step.denials.deleted(key)
