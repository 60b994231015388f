"""Point reads, history, scans and the change feed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Any

from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.resource import Key, Stored
from fhir_server.storage.mongo.conditions import NEVER, both
from fhir_server.storage.mongo.documents import (
    HISTORY,
    RESOURCE,
    ROW,
    STORED,
    Document,
    row_of,
    stored_of,
)
from fhir_server.storage.mongo.door import Door, in_lots
from fhir_server.storage.mongo.schema import BY_ID, CATALOGUE, STATE, STORE
from fhir_server.storage.mongo.sights import Sight
from fhir_server.storage.mongo.statements import Statements
from fhir_server.storage.pages import Change, HistoryPage, HistoryScope, Part, Position, Row
from fhir_server.storage.parameters import Catalogue, Extent

MOST_HIDDEN = 100_000
"""Past versions that may be passed over for one page, since what they are versions of may not be seen."""

NEWEST = (("m", -1),)
OLDEST = (("m", 1),)
BY_RID = (("n", 1),)
BY_NAME = (("i", 1),)
VERSION = {"_id": 0, "t": 1, "i": 1, "v": 1, "m": 1, "x": 1}


class Reader:
    """Reads of one request, as its caller sees things."""

    def __init__(self, statements: Statements, sight: Sight) -> None:
        self._statements = statements
        self._sight = sight
        self._door = Door(statements, sight)

    async def current(self, key: Key) -> Stored | None:
        """Return the current version, a deletion included; None if absent or hidden."""
        found = [each async for each in self._door.current(key.type, {"_id": str(key)}, STORED)]
        return stored_of(found[0]) if found else None

    async def version(self, key: Key, version: int) -> Stored | None:
        """Return one version, current or not; None if absent or hidden."""
        current = await self.current(key)
        if current is None or current.version == version:
            return current
        past = {"_id": f"{key}/{version}"}
        found = [each async for each in self._door.past(key.type, past, STORED)]
        return stored_of(found[0]) if found else None

    async def many(self, keys: Sequence[Key]) -> list[Row]:
        """Return the current, not deleted, visible ones of these resources."""
        ids = [str(each) for each in keys if self._sight.visibility.permits_type(each.type)]
        if not ids:
            return []
        found = self._door.current(None, {"_id": {"$in": ids}, "x": False}, ROW)
        rows = [row_of(each) async for each in found]
        # MongoDB gives them in the order of its index.
        places = {key: place for place, key in enumerate(keys)}
        return sorted(rows, key=lambda row: places[row.stored.key])

    async def history(self, scope: HistoryScope, after: Position | None, limit: int) -> HistoryPage:
        """Return versions, the newest first; raise TooCostly where too much is passed over."""
        asked = both(*_within(scope, after), await self._of_one(scope))
        # The current ones first: one that is archived meanwhile comes twice, instead of not at all.
        current = self._door.current(None, asked, STORED, order=NEWEST, limit=limit + 1)
        found = {(each["t"], each["i"], each["v"]): each async for each in current}
        async for each in self._past(asked, limit + 1):
            found[each["t"], each["i"], each["v"]] = each
        newest = sorted(found.values(), key=_moment, reverse=True)
        versions = tuple(map(stored_of, newest[:limit]))
        return HistoryPage(versions, (versions[-1].moment,) if len(newest) > limit else None)

    async def _of_one(self, scope: HistoryScope) -> Document:
        """Return the condition on versions of one resource: the history has no index by its id."""
        if scope.id is None:
            return {}
        one = {"_id": f"{scope.type}/{scope.id}"}
        found = await self._statements.one(RESOURCE, one, {"n": 1})
        return NEVER if found is None else {"n": found["n"]}

    async def _past(self, asked: Document, limit: int) -> AsyncIterator[Document]:
        """Yield past versions whose current one may be seen too, the newest first."""
        bound = self._sight.is_bound
        rows = self._door.past(None, asked, STORED, order=NEWEST, limit=0 if bound else limit)
        number = passed = 0
        async with aclosing(rows):
            async for some in in_lots(rows):
                kept = await self._of_visible(some) if bound else some
                passed += len(some) - len(kept)
                for each in kept[: limit - number]:
                    yield each
                number += len(kept)
                if number >= limit:
                    return
                if passed > MOST_HIDDEN:
                    raise TooCostly(
                        "Too many versions would be passed over: ask for the history of one resource"
                    )

    async def _of_visible(self, versions: Sequence[Document]) -> list[Document]:
        """Return those of these past versions whose current one may be seen."""
        ids = {f"{each['t']}/{each['i']}" for each in versions}
        rows = self._door.current(None, {"_id": {"$in": sorted(ids)}}, {"_id": 1})
        seen = {each["_id"] async for each in rows}
        return [each for each in versions if f"{each['t']}/{each['i']}" in seen]

    async def as_of(self, part: Part, moment: int, limit: int) -> tuple[list[Stored], int | None]:
        """Return what was current at a moment in a range of surrogate ids, and where to go on."""
        wanted = both(
            {"n": {"$gte": part.low, "$lt": part.high}},
            {} if part.type is None else {"t": part.type},
        )
        current = self._door.current(None, wanted, {**STORED, "n": 1}, order=BY_RID, limit=limit)
        rows = [each async for each in current]
        past = await self._past_at([each["n"] for each in rows if each["m"] > moment], moment)
        then = (each if each["m"] <= moment else past.get(each["n"]) for each in rows)
        found = [stored_of(each) for each in then if each is not None]
        resume = rows[-1]["n"] + 1 if len(rows) == limit else None
        return [each for each in found if not each.deleted], resume

    async def _past_at(self, rids: Sequence[int], moment: int) -> dict[int, Document]:
        """Return the versions that were current at a moment, those alone that may be seen."""
        if not rids:
            return {}
        latest: dict[int, Document] = {}
        wanted: Document = {"n": {"$in": list(rids)}, "m": {"$lte": moment}}
        members = {"_id": 1, "n": 1}
        async for each in self._statements.find(HISTORY, wanted, members, order=OLDEST):
            latest[each["n"]] = each["_id"]
        ids = {"_id": {"$in": list(latest.values())}}
        return {each["n"]: each async for each in self._door.past(None, ids, {**STORED, "n": 1})}

    async def following(self, kind: str, after: str, highest: int, limit: int) -> list[Stored]:
        """Return the resources of a type that follow an id, those above a surrogate id left out."""
        wanted = {"t": kind, "i": {"$gt": after}, "n": {"$lte": highest}, "x": False}
        found = self._door.current(kind, wanted, STORED, order=BY_NAME, limit=limit, hint=BY_ID)
        return [stored_of(each) async for each in found]


async def extent_of(statements: Statements, kind: str) -> Extent:
    """Return how many resources of a type there are, and the highest surrogate id of all."""
    number = await statements.count(RESOURCE, {"t": kind, "x": False})
    highest = await statements.all(RESOURCE, {}, {"n": 1}, order=(("n", -1),), limit=1)
    return Extent(number, highest[0]["n"] if highest else 0)


async def catalogue(statements: Statements) -> Catalogue:
    """Return the catalogue, to be read of one moment."""
    state = await statements.one(STATE, {"_id": STORE})
    kept = await statements.one(STATE, {"_id": CATALOGUE})
    assert state is not None, "the state is made with the collections"
    return Catalogue(state["revision"], state["generation"], kept["content"] if kept else b"")


async def latest_moment(statements: Statements) -> int:
    """Return the moment of the latest committed write, 0 where there is none."""
    latest = await statements.all(RESOURCE, {}, {"m": 1}, order=NEWEST, limit=1)
    return int(latest[0]["m"]) if latest else 0


async def changes(statements: Statements, after: int, limit: int) -> list[Change]:
    """Return changes after a token, the oldest first; the moment is the token."""
    found: dict[int, Document] = {}
    # What is written from here on is left for the next time: between the two it might come, and take another's place.
    latest = await latest_moment(statements)
    # The current ones first: see Reader.history.
    for collection in (RESOURCE, HISTORY):
        wanted = {"m": {"$gt": after, "$lte": latest}}
        cursor = statements.find(collection, wanted, VERSION, order=OLDEST, limit=limit)
        found.update({each["m"]: each async for each in cursor})
    return [
        Change(moment, Key(each["t"], each["i"]), each["v"], moment, each["x"])
        for moment, each in sorted(found.items())[:limit]
    ]


def _within(scope: HistoryScope, after: Position | None) -> Iterable[Document]:
    """Yield the conditions of a scope, and of what follows a page."""
    if scope.type is not None:
        yield {"t": scope.type}
    bounds: dict[str, Any] = {"$gte": scope.since, "$lte": scope.until}
    if after is not None:
        bounds["$lt"] = after[0]
    kept = {operator: each for operator, each in bounds.items() if each is not None}
    if kept:
        yield {"m": kept}


def _moment(document: Document) -> int:
    moment: int = document["m"]
    return moment
