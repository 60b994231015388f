"""A database becomes a copy of a store: rows as they are, each lot one transaction with the mark of how far it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from secrets import token_bytes, token_hex
from typing import Any

from bson import Binary
from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key, Stored
from fhir_server.search.record import unpacked
from fhir_server.search.telling import TELLING
from fhir_server.storage.mongo.documents import (
    HISTORY,
    RESOURCE,
    Document,
    archived,
    checked,
    indexed,
    versioned,
)
from fhir_server.storage.mongo.failures import reading as problems
from fhir_server.storage.mongo.giving import MongoGiving
from fhir_server.storage.mongo.opening import connected
from fhir_server.storage.mongo.owners import class_id
from fhir_server.storage.mongo.remembering import made
from fhir_server.storage.mongo.schema import (
    CATALOGUE,
    COPYING,
    FORMAT,
    LOG,
    NEW,
    REGISTER,
    STATE,
    STORE,
    make,
    mark_of,
)
from fhir_server.storage.mongo.statements import done_at_once
from fhir_server.storage.moving import (
    Block,
    Fact,
    KeyValue,
    Mark,
    OptOut,
    Outline,
    Owner,
    Person,
    Row,
    Secret,
    Version,
    packed_mark,
)

WRITTEN = (RESOURCE, "owner", "audit", "opt_out", "keyvalue")
"""The collections in which a store holds what somebody wrote."""


class MongoTaking:
    """See `fhir_server.storage.moving.Taking`."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._mark: Mark | None = None
        self._edition = b""
        self._axes: set[str] = set()

    async def begin(self, mark: Mark) -> Mark:
        """See Taking.begin."""
        with problems():
            state = await self._database[STATE].find_one({"_id": STORE})
            if state is None:
                await make(self._database, mark.outline.zone)
            elif state["format"] == Mark.FORMAT:
                return await self._go_on(mark)
            elif state["format"] != FORMAT or await self._holds_something():
                raise Unavailable(
                    "The store holds something: a copy goes into one that is new or was emptied by fhir-server reset"
                )
            await self._begin(mark)
        return mark

    async def take(self, rows: Sequence[Row]) -> None:
        """See Taking.take."""
        assert self._mark is not None
        after = self._mark.after(rows)
        with problems():
            writing = [
                (collection, some)
                for collection, some in (await _TAKEN[type(rows[0])](self, rows)).items()
                if some
            ]
            await done_at_once(self._database, partial(self._write, after, writing))
        self._mark = after

    async def settle(self) -> MongoGiving:
        """See Taking.settle."""
        assert self._mark is not None
        with problems():
            await done_at_once(self._database, partial(self._settle, self._mark.outline))
        return MongoGiving(self._database)

    async def finish(self) -> None:
        """See Taking.finish."""
        with problems():
            await done_at_once(self._database, self._finish)

    async def _holds_something(self) -> bool:
        found = [await self._database[each].find_one({}, {"_id": 1}) for each in WRITTEN]
        return any(each is not None for each in found)

    async def _begin(self, mark: Mark) -> None:
        for each in ("secret", "audience", "denial", "axis"):
            await self._database[each].delete_many({})
        self._mark, self._edition = mark, token_bytes(8)

        async def note(session: AsyncClientSession) -> None:
            states = self._database[STATE]
            await states.delete_many({}, session=session)
            copying = {"_id": COPYING, "mark": packed_mark(mark), "edition": self._edition}
            # By this format, releases that know no copies leave it alone as well.
            state = {**NEW, "format": Mark.FORMAT, "zone": mark.outline.zone}
            await states.insert_many(
                [copying, {**state, "incarnation": token_hex(8)}], session=session
            )

        await done_at_once(self._database, note)

    async def _go_on(self, mark: Mark) -> Mark:
        begun, self._edition = await mark_of(self._database)
        if begun.outline != mark.outline:
            raise Unavailable(
                f"{begun.source} is half copied here, and has changed since, or it was another store: "
                "give that up with fhir-server reset, and copy again"
            )
        self._mark = begun
        return begun

    async def _write(
        self,
        after: Mark,
        writing: Sequence[tuple[str, Sequence[Document]]],
        session: AsyncClientSession,
    ) -> None:
        await self._note(after, session)
        for collection, documents in writing:
            if collection == "axis":
                wanted = [
                    UpdateOne({"_id": each["_id"]}, {"$setOnInsert": each}, upsert=True)
                    for each in documents
                ]
                await self._database[collection].bulk_write(wanted, session=session)
            else:
                await self._database[collection].insert_many(
                    documents, ordered=False, session=session
                )

    async def _note(self, after: Mark, session: AsyncClientSession) -> None:
        """Note how far it is; raise Unavailable where another copy went on meanwhile."""
        assert self._mark is not None
        noted = await self._database[STATE].update_one(
            {"_id": COPYING, "mark": packed_mark(self._mark)},
            {"$set": {"mark": packed_mark(after)}, "$inc": {"tick": 1}},
            session=session,
        )
        if not noted.matched_count:
            raise Unavailable("Another copy into this store is under way")

    async def _settle(self, outline: Outline, session: AsyncClientSession) -> None:
        assert self._mark is not None
        await self._note(self._mark, session)
        told = {
            "zone": outline.zone,
            "moment": outline.moment,
            "revision": outline.revision,
            "generation": outline.generation,
            "rid": await self._highest(RESOURCE, "n", session),
            "owner": await self._highest("owner", "n", session),
            "latest_parameter": await self._highest(RESOURCE, "m", session, t="SearchParameter"),
        }
        states = self._database[STATE]
        await states.update_one({"_id": STORE}, {"$set": told}, session=session)
        for each in await self._states(outline, session):
            await states.replace_one({"_id": each["_id"]}, each, upsert=True, session=session)

    async def _states(self, outline: Outline, session: AsyncClientSession) -> list[Document]:
        """Return what else is known of the store, where there is something to be known."""
        states: list[Document] = []
        if outline.catalogue:
            states.append({"_id": CATALOGUE, "content": Binary(outline.catalogue)})
        if outline.entries:
            last = await self._database["audit"].find_one({"_id": outline.entries}, session=session)
            end = {"number": outline.entries, "digest": last["digest"] if last else b""}
            log = {"seal": Binary(outline.seal), "published": outline.published}
            states.append({"_id": LOG, **end, **log})
        if outline.opt_outs is not None:
            as_of, number = outline.opt_outs
            register = {"as_of": as_of, "number": number, "edition": Binary(self._edition)}
            states.append({"_id": REGISTER, **register})
        return states

    async def _highest(
        self, collection: str, member: str, session: AsyncClientSession, **wanted: str
    ) -> int:
        cursor = self._database[collection].find(wanted, {member: 1}, session=session)
        found = await cursor.sort(member, -1).to_list(1)
        return int(found[0][member]) if found else 0

    async def _finish(self, session: AsyncClientSession) -> None:
        assert self._mark is not None
        await self._note(self._mark, session)
        states = self._database[STATE]
        await states.delete_one({"_id": COPYING}, session=session)
        await states.update_one({"_id": STORE}, {"$set": {"format": FORMAT}}, session=session)

    async def _versions(self, rows: Sequence[Version]) -> dict[str, list[Document]]:
        numbers = sorted({each.owner for each in rows})
        owners = await self._database["owner"].find({"n": {"$in": numbers}}).to_list()
        members = {each["n"]: each["members"] for each in owners}
        current = [_current(each, members[each.owner]) for each in rows if each.is_current]
        past = [_past(each, members[each.owner]) for each in rows if not each.is_current]
        axes = {one["a"] for each in current for one in each.get("r", ()) if "\x1f" in one["a"]}
        new = sorted(axes - self._axes)
        self._axes |= axes
        return {HISTORY: past, RESOURCE: current, "axis": [{"_id": each} for each in new]}

    async def _opt_outs(self, rows: Sequence[OptOut]) -> dict[str, list[Document]]:
        edition = self._edition
        marks = [{"_id": Binary(edition + each.mark), "edition": Binary(edition)} for each in rows]
        return {"opt_out": marks}


def _version(row: Version, members: Sequence[str]) -> Document:
    stored = Stored(Key(row.type, row.id), row.version, row.moment, row.method, row.body)
    about = {"a": list(row.about)} if row.type in TELLING else {}
    return {**versioned(stored, row.rid, row.owner), "c": list(members), **about}


def _past(row: Version, members: Sequence[str]) -> Document:
    return archived(_version(row, members))


def _current(row: Version, members: Sequence[str]) -> Document:
    document = _version(row, members)
    if row.record is not None:
        document |= indexed(row.type, unpacked(row.record))
    return checked(document)


def _owner(row: Owner) -> Document:
    classes = {"members": row.members, "mentions": row.mentions, "labels": row.labels}
    own = {"_id": class_id(*row[1:]), "n": row.number}
    return {**own, **{name: list(each) for name, each in classes.items()}}


def _block(row: Block) -> Document:
    return {
        "_id": row.number,
        "moment": row.moment,
        "content": Binary(row.content),
        "digest": Binary(row.digest),
    }


_Taken = Callable[[MongoTaking, Any], Awaitable[dict[str, list[Document]]]]


def _each(collection: str, made_of: Callable[[Any], Document]) -> _Taken:
    """Return what puts a document for each row into a collection."""

    async def documents(_: MongoTaking, rows: Sequence[Any]) -> dict[str, list[Document]]:
        return {collection: [made_of(each) for each in rows]}

    return documents


_TAKEN: Mapping[type[Row], _Taken] = {
    Secret: _each("secret", lambda row: {"_id": row.name, "value": Binary(row.value)}),
    Owner: _each("owner", _owner),
    Version: MongoTaking._versions,  # noqa: SLF001 - of this module
    Person: _each("person", lambda row: {"_id": row.patient, "marks": list(row.marks)}),
    Fact: _each(
        "fact",
        lambda row: {"_id": row.origin, "patient": row.patient, "content": Binary(row.content)},
    ),
    OptOut: MongoTaking._opt_outs,  # noqa: SLF001 - of this module
    Block: _each("audit", _block),
    KeyValue: _each("keyvalue", lambda row: made(*row)),
}


@asynccontextmanager
async def taking(url: str) -> AsyncIterator[MongoTaking]:
    """Open a database that becomes a copy; raise Unavailable."""
    async with connected(url) as database:
        yield MongoTaking(database)
