"""The rows of a store in a database, for as long as nobody writes to it: no transaction lasts as long as a copy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.fhir.errors import Unavailable
from fhir_server.search.telling import TELLING
from fhir_server.storage.mongo.documents import HISTORY, RESOURCE, Document
from fhir_server.storage.mongo.failures import reading as problems
from fhir_server.storage.mongo.opening import connected
from fhir_server.storage.mongo.schema import (
    CATALOGUE,
    LOG,
    REGISTER,
    STATE,
    STORE,
    store_state,
)
from fhir_server.storage.moving import (
    Block,
    Fact,
    KeyValue,
    OptOut,
    Outline,
    Owner,
    Person,
    Place,
    R,
    Secret,
    Version,
    together,
)

CHUNK = 500
"""Documents that are read at once."""

_COLLECTIONS = {
    "Secret": "secret",
    "Owner": "owner",
    "Person": "person",
    "Fact": "fact",
    "Block": "audit",
    "KeyValue": "keyvalue",
}


class MongoGiving:
    """See `fhir_server.storage.moving.Giving`."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database

    async def outline(self) -> Outline:
        """See Giving.outline."""
        with problems():
            state = await self._state(STORE)
            log, register = await self._state(LOG), await self._state(REGISTER)
            return Outline(
                zone=state["zone"],
                moment=await self._latest(),
                revision=state["revision"],
                generation=state["generation"],
                catalogue=(await self._state(CATALOGUE)).get("content", b""),
                entries=log.get("number", 0),
                seal=log.get("seal", b""),
                published=log.get("published", 0),
                opt_outs=(register["as_of"], register["number"]) if register else None,
                counts=await self._counts(register.get("edition")),
                tick=state.get("tick", 0),
            )

    async def check_unchanged(self, outline: Outline) -> None:
        """See Giving.check_unchanged."""
        with problems():
            state = await self._state(STORE)
        if state.get("tick", 0) != outline.tick:
            raise Unavailable(
                "The source was written to while it was copied: stop its nodes, give the copy up with "
                "fhir-server reset, and copy again"
            )

    async def rows(self, part: type[R], after: Place | None = None) -> AsyncIterator[Sequence[R]]:
        """See Giving.rows."""
        given: Callable[[Place | None], AsyncIterator[list[Any]]] = {
            Version: self._versions,
            OptOut: self._opt_outs,
        }.get(part, lambda place: self._documents(part, place))
        with problems():
            async for chunk in given(after):
                for some in together(chunk):
                    yield some

    async def _state(self, name: str) -> Document:
        return await self._database[STATE].find_one({"_id": name}) or {}

    async def _latest(self) -> int:
        latest = await self._database[RESOURCE].find({}, {"m": 1}).sort("m", -1).to_list(1)
        return int(latest[0]["m"]) if latest else 0

    async def _counts(self, edition: bytes | None) -> dict[str, int]:
        counts = {
            part: await self._database[name].count_documents({})
            for part, name in _COLLECTIONS.items()
        }
        versions = [await self._database[each].count_documents({}) for each in (RESOURCE, HISTORY)]
        marks = await self._database["opt_out"].count_documents({"edition": edition})
        return {**counts, "Version": sum(versions), "OptOut": marks}

    async def _documents(self, part: type[R], place: Place | None) -> AsyncIterator[list[R]]:
        """Yield the rows of a part that is a collection."""
        members, made = _PLACED[part]
        async for found in self._following(_COLLECTIONS[part.__name__], members, place):
            yield [made(each) for each in found]

    async def _following(
        self, collection: str, members: Sequence[str], place: Place | None
    ) -> AsyncIterator[list[Document]]:
        """Yield the documents after a place, in the order of members."""
        order = [(each, 1) for each in members]
        while True:
            wanted = _beyond(members, place)
            found = await self._database[collection].find(wanted).sort(order).to_list(CHUNK)
            if found:
                yield found
            if len(found) < CHUNK:
                return
            place = tuple(found[-1][each] for each in members)

    async def _versions(self, place: Place | None) -> AsyncIterator[list[Version]]:
        """Yield current and past versions, merged in the order of moments."""
        current = self._following(RESOURCE, ("m",), place)
        past = self._following(HISTORY, ("m",), place)
        ahead: list[list[Version]] = [[], []]
        sources = (_versions_of(current), _versions_of(past))
        left = {0, 1}
        while True:
            for each in sorted(left):
                if not ahead[each]:
                    ahead[each] = await anext(sources[each], [])
                    left -= set() if ahead[each] else {each}
            # Up to where both sides are known.
            known = min((ahead[each][-1].moment for each in left), default=None)
            found = sorted(
                row for side in ahead for row in side if known is None or row.moment <= known
            )
            if not found:
                return
            ahead = [[row for row in side if row.moment > found[-1].moment] for side in ahead]
            yield found

    async def _opt_outs(self, place: Place | None) -> AsyncIterator[list[OptOut]]:
        edition: bytes = (await self._state(REGISTER)).get("edition", b"")
        last = edition if place is None else edition + bytes(place[0])
        while edition:
            wanted = {"edition": edition, "_id": {"$gt": last}}
            found = await self._database["opt_out"].find(wanted).sort("_id", 1).to_list(CHUNK)
            yield [OptOut(each["_id"][len(edition) :]) for each in found]
            if len(found) < CHUNK:
                return
            last = found[-1]["_id"]


async def _versions_of(chunks: AsyncIterator[list[Document]]) -> AsyncIterator[list[Version]]:
    async for chunk in chunks:
        yield [_version(each) for each in chunk]


def _version(each: Document) -> Version:
    is_current = "z" in each or "d" in each
    known = each["m"], each["n"], each["t"], each["i"], each["v"], each["e"], each["o"]
    if each["t"] in TELLING and "a" not in each:
        raise Unavailable("The store was written by another release: run fhir-server reindex first")
    return Version(*known, is_current, each.get("z"), each["b"], tuple(each.get("a", ())))


def block_of(each: Document) -> Block:
    """Return the block of the audit log that a document holds."""
    return Block(each["_id"], each["moment"], each["content"], each["digest"])


def _beyond(members: Sequence[str], place: Place | None) -> Document:
    """Return the condition on what stands after a place."""
    if place is None:
        return {}
    return {
        "$or": [
            {
                **dict(zip(members[:number], place[:number], strict=True)),
                members[number]: {"$gt": place[number]},
            }
            for number in range(len(members))
        ]
    }


_PLACED: Mapping[Any, tuple[Sequence[str], Callable[[Document], Any]]] = {
    Secret: (("_id",), lambda each: Secret(each["_id"], each["value"])),
    Owner: (
        ("n",),
        lambda each: Owner(
            each["n"], tuple(each["members"]), tuple(each["mentions"]), tuple(each["labels"])
        ),
    ),
    Person: (("_id",), lambda each: Person(each["_id"], tuple(each["marks"]))),
    Fact: (("_id",), lambda each: Fact(each["_id"], each["patient"], each["content"])),
    Block: (("_id",), block_of),
    KeyValue: (
        ("kind", "key"),
        lambda each: KeyValue(each["kind"], each["key"], each["value"], each["expires"]),
    ),
}
"""The members that are the place of a part's documents, and how a row is made of one."""


@asynccontextmanager
async def giving(url: str) -> AsyncIterator[MongoGiving]:
    """Open a store to read its rows; raise Unavailable for none, or one of another release."""
    async with connected(url) as database:
        with problems():
            await store_state(database)
        yield MongoGiving(database)
