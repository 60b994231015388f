"""Writes of a server without transactions: all that a write changes is kept first, then one document says that it holds.

    1  the changes are inserted as documents of their own (`intent`), with the number that the write is to have
    2  `state/store` is put in place of the one before, if nobody wrote since: now it is written. It names the intent
    3  the changes are put in their places, each where no later write has been
    4  `state/store` names no intent any more, and the changes are deleted

Who finds an intent named finishes it, whoever began it: each step does nothing where it was done before. What reads
several documents looks at `state/store` before and after, and reads again where anybody wrote meanwhile.
docs/decisions/0056-single-writes-on-a-standalone-mongodb.md tells why this holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from time import monotonic
from typing import TypeVar

import bson
from pymongo import ReplaceOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, ConnectionFailure, PyMongoError

from fhir_server.fhir.errors import Unavailable, Unreachable
from fhir_server.storage.mongo.buffering import DELETED, GONE, TICK, Buffered, Change, Living
from fhir_server.storage.mongo.documents import HISTORY, RESOURCE, Document
from fhir_server.storage.mongo.failures import Overtaken, answered
from fhir_server.storage.mongo.moments import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PATIENT_SECONDS,
    WRITING_SECONDS,
    Work,
)
from fhir_server.storage.mongo.schema import INTENT, SINGLE, STATE, STORE
from fhir_server.storage.mongo.statements import Statements
from fhir_server.storage.mongo.turns import Turns

HELP_AFTER = 0.5
"""Seconds after which an intent is finished by whoever waits for it; it may be sooner, and costs only work."""

GIVEN_UP_AFTER = 5.0
"""Seconds after which what is neither finished nor waited for counts as left behind."""

LOOK_AGAIN = 0.005

TRIES = 3
"""How often what reads tries before it waits for its turn among those who write."""

MOST_TRIES = 50

REMEMBERED = 64
"""Writes that are remembered, for one whose writer did not learn whether it holds."""

PART = 8_000_000
"""Bytes of changes that are kept in one document, where one of them is not larger."""

_DUPLICATE = 11_000

_FIRST = (HISTORY, "owner", "axis", "person", "fact", "audience", "denial", "audit", STATE)
_ORDER = {name: place for place, name in enumerate((*_FIRST, RESOURCE))}
"""What is shown comes last, and after what tells of it: also who reads one document alone sees what holds."""

T = TypeVar("T")


class Intents:
    """See `moments.Moments`: without transactions."""

    sees_own_changes = False

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._states = database[STATE]
        self._intents = database[INTENT]

    def statements(self, *, seconds: float) -> Statements:
        """See Moments.statements."""
        return Living(self._database, seconds=seconds)

    async def read(self, work: Callable[[Statements], Awaitable[T]], *, seconds: float) -> T:
        """See Moments.read; raise Unavailable where others write all the time."""
        for _ in range(TRIES):
            with suppress(Overtaken):
                return await self._read_once(work, seconds)
        turns = Turns(self._database)
        try:
            for _ in range(MOST_TRIES):
                await turns.queue()
                await turns.arrive()
                with suppress(Overtaken):
                    return await self._read_once(work, seconds)
        finally:
            with suppress(PyMongoError):
                await turns.done()
        raise Unavailable("Others write all the time; please try again")

    async def _read_once(self, work: Callable[[Statements], Awaitable[T]], seconds: float) -> T:
        """Return what work gives; raise Overtaken where somebody wrote meanwhile."""
        async with answered(seconds):
            before = await self.settled()
        async with answered(seconds):
            found = await work(self.statements(seconds=seconds))
            await self._check_nobody_wrote(before)
        return found

    async def stream(
        self, rows: Callable[[Statements], AsyncIterator[T]], *, seconds: float
    ) -> AsyncIterator[T]:
        """See Moments.stream: it is held in memory, as nothing is known to be of one moment before its end."""

        async def read(statements: Statements) -> list[T]:
            return [each async for each in rows(statements)]

        for each in await self.read(read, seconds=seconds):
            yield each

    async def write(self, work: Work) -> None:
        """See Moments.write; raise Overtaken where another was first, or the server was lost before it was written."""
        async with _before_it_holds():
            before = await self.settled()
            workspace = Buffered(self._database, seconds=WRITING_SECONDS)
            after = await work(workspace, before)
            changes = sorted(workspace.changes(), key=_place)
            if not changes:
                await self._check_nobody_wrote(before)
                return
            number, token = 1 + before.get("tick", 0), token_hex(8)
            parts = [*_parts(changes, number, token)]
            await self._intents.insert_many(parts)
        named = {"token": token, "parts": len(parts)}
        recent = [*before.get("recent", ())[1 - REMEMBERED :], token]
        state = {**after, "tick": number, "pending": named, "recent": recent}
        if not await self._holds(before, state):
            raise Overtaken
        await _tried(lambda: self._finish(state, changes))

    async def _holds(self, before: Document, after: Document) -> bool:
        """Put a state in place of the one before; tell whether nobody was faster."""
        known = {"_id": STORE, "tick": before.get("tick"), SINGLE: True}
        try:
            done = await self._states.replace_one(known, after)
        except ConnectionFailure:
            return await _tried(lambda: self._held(before, after))
        return done.matched_count == 1

    async def _held(self, before: Document, after: Document) -> bool:
        """Tell whether a state was put in place, of which the server did not tell; if not, it never will be."""
        known = {"_id": STORE, "tick": before.get("tick"), SINGLE: True}
        await self._states.update_one(known, {"$set": {"tick": after["tick"]}})
        state = await self._states.find_one({"_id": STORE}) or {}
        if after["recent"][-1] in state.get("recent", ()):
            return True
        if state.get("tick", 0) - after["tick"] < REMEMBERED - 1:
            return False
        raise Unavailable(
            "The connection to MongoDB was lost at the write: whether it was written is not known"
        )

    async def settled(self) -> Document:
        """Return the state of the store once all that was written is in its place; raise Unavailable for no such store."""
        seen, since = "", monotonic()
        while True:
            state = await self._states.find_one({"_id": STORE})
            if state is None or state.get(SINGLE) is not True:
                raise Unavailable(
                    "The database is no longer written by single writes: start the node anew"
                )
            pending = state.get("pending")
            if pending is None:
                return state
            if pending["token"] != seen:
                seen, since = pending["token"], monotonic()
            elif monotonic() - since > HELP_AFTER:
                await self._finish(state, None)
            await asyncio.sleep(LOOK_AGAIN)

    async def end(self) -> None:
        """Have this database written by transactions from now on: finish what was begun, remove what is gone."""
        # From now on no single write holds any more, whoever began one.
        await self._states.update_one({"_id": STORE, SINGLE: True}, {"$set": {SINGLE: "ending"}})
        state = await self._states.find_one({"_id": STORE})
        if state is not None and "pending" in state:
            await self._finish(state, None)
        for collection in sorted(DELETED):
            await self._database[collection].delete_many({GONE: True})
        await self._intents.delete_many({})
        await self._states.update_one({"_id": STORE}, {"$unset": {SINGLE: "", "recent": ""}})

    async def _check_nobody_wrote(self, before: Document) -> None:
        state = await self._states.find_one({"_id": STORE}, {"tick": 1})
        if state is None or state.get("tick") != before.get("tick"):
            raise Overtaken

    async def _finish(self, state: Document, changes: Sequence[Change] | None) -> None:
        """Put the changes of a write in their places (None: those that are kept), and say that it is done."""
        number, pending = state["tick"], state["pending"]
        if changes is None:
            changes = await self._changes_kept(pending)
        if changes is None:
            # They are deleted once all is done: somebody else was faster.
            return
        for collection in dict.fromkeys(each.collection for each in changes):
            await self._put(collection, [e for e in changes if e.collection == collection], number)
        own = {"_id": STORE, "pending.token": pending["token"]}
        await self._states.update_one(own, {"$unset": {"pending": ""}})
        # Also those of writes that did not hold: with this number, or a lower one, none will.
        await self._intents.delete_many({"n": {"$lte": number}})

    async def _changes_kept(self, pending: Document) -> list[Change] | None:
        ids = [f"{pending['token']}/{each}" for each in range(pending["parts"])]
        parts = await self._intents.find({"_id": {"$in": ids}}).to_list()
        if len(parts) < len(ids):
            return None
        parts.sort(key=lambda each: ids.index(each["_id"]))
        return [Change(*each) for part in parts for each in part["changes"]]

    async def _put(self, collection: str, changes: Sequence[Change], number: int) -> None:
        """Put documents in their places, in this order, but where this or a later write has been."""
        earlier = {"$not": {"$gte": number}}
        while changes:
            requests = [
                ReplaceOne({"_id": each.id, TICK: earlier}, _made(each, number), upsert=True)
                for each in changes
            ]
            try:
                await self._database[collection].bulk_write(requests, ordered=True)
            except BulkWriteError as problem:
                # One that was put before is not found by the condition, and cannot be inserted.
                failed = problem.details["writeErrors"][0]
                if failed["code"] != _DUPLICATE:
                    raise
                changes = changes[failed["index"] + 1 :]
            else:
                return


def _place(change: Change) -> tuple[int, int]:
    moment = change.document["m"] if change.collection == RESOURCE and change.document else 0
    return _ORDER[change.collection], moment


def _made(change: Change, number: int) -> Document:
    if change.document is not None:
        return {**change.document, TICK: number}
    assert change.collection in DELETED, f"what reads {change.collection} knows nothing of {GONE}"
    return {"_id": change.id, GONE: True, TICK: number}


def _parts(changes: Iterable[Change], number: int, token: str) -> Iterator[Document]:
    """Yield the documents that keep changes."""
    some: list[Change] = []
    size = index = 0
    for each in changes:
        own = len(bson.encode({"": list(each)}))
        if some and size + own > PART:
            yield {"_id": f"{token}/{index}", "n": number, "changes": list(map(list, some))}
            some, size, index = [], 0, index + 1
        some.append(each)
        size += own
    if some:
        yield {"_id": f"{token}/{index}", "n": number, "changes": list(map(list, some))}


@asynccontextmanager
async def _before_it_holds() -> AsyncIterator[None]:
    """Raise Overtaken for a connection that is lost: nothing is written yet."""
    try:
        yield
    except ConnectionFailure as problem:
        raise Overtaken from problem


async def _tried(step: Callable[[], Awaitable[T]]) -> T:
    """Return what a step gives, tried again while the server is away; raise Unreachable."""
    until, pause = monotonic() + PATIENT_SECONDS, FIRST_PAUSE
    while True:
        try:
            return await step()
        except ConnectionFailure as problem:
            if monotonic() > until:
                raise Unreachable(
                    "The connection to MongoDB was lost at the write: whether it was written is not known"
                ) from problem
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def is_unfinished(database: AsyncDatabase[Document], state: Document) -> bool:
    """Tell whether a write was begun and is being finished by nobody; whoever does so is waited for."""
    until = monotonic() + GIVEN_UP_AFTER
    token = state.get("pending", {}).get("token")
    while token is not None and state.get("pending", {}).get("token") == token:
        if monotonic() > until:
            return True
        await asyncio.sleep(LOOK_AGAIN)
        state = await database[STATE].find_one({"_id": STORE}) or {}
    return False
