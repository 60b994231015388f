"""Point reads, history, scans and the change feed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.resource import Key, Stored
from fhir_server.storage.contract import (
    Change,
    HistoryPage,
    HistoryScope,
    Part,
    Position,
    Row,
)
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
from fhir_server.storage.mongo.schema import BY_ID
from fhir_server.storage.mongo.sights import Sight
from fhir_server.storage.mongo.statements import Statements
from fhir_server.storage.parameters import Extent

MOST_HIDDEN = 100_000
"""Past versions that may be passed over for one page, since what they are versions of may not be seen."""

AT_ONCE = 200

NEWEST = (("m", -1),)
OLDEST = (("m", 1),)
VERSION = {"_id": 0, "t": 1, "i": 1, "v": 1, "m": 1, "x": 1}


class Reader:
    """Reads of one request, as its caller sees things."""

    def __init__(self, statements: Statements, sight: Sight) -> None:
        self._statements = statements
        self._sight = sight

    async def current(self, key: Key) -> Stored | None:
        """Return the current version, a deletion included; None if absent or hidden."""
        wanted = both({"_id": str(key)}, self._sight.of(key.type))
        found = await self._statements.one(RESOURCE, wanted, STORED)
        return stored_of(found) if found else None

    async def version(self, key: Key, version: int) -> Stored | None:
        """Return one version, current or not; None if absent or hidden."""
        current = await self.current(key)
        if current is None or current.version == version:
            return current
        wanted = both({"_id": f"{key}/{version}"}, self._sight.of_past(key.type))
        found = await self._statements.one(HISTORY, wanted, STORED)
        return stored_of(found) if found and self._sight.shows(found) else None

    async def many(self, keys: Sequence[Key]) -> list[Row]:
        """Return the current, not deleted, visible ones of these resources."""
        ids: dict[str, list[str]] = {}
        for key in keys:
            ids.setdefault(key.type, []).append(str(key))
        wanted = [
            both({"_id": {"$in": some}, "x": False}, self._sight.of(kind))
            for kind, some in ids.items()
            if self._sight.visibility.permits_type(kind)
        ]
        if not wanted:
            return []
        found = await self._statements.all(RESOURCE, {"$or": wanted}, ROW)
        return [row_of(each) for each in found]

    async def history(self, scope: HistoryScope, after: Position | None, limit: int) -> HistoryPage:
        """Return versions, the newest first; raise TooCostly where too much is passed over."""
        asked = both(*_within(scope, after), await self._of_one(scope))
        wanted = both(asked, *self._sight.of_any())
        # The current ones first: one that is archived meanwhile comes twice, instead of not at all.
        current = self._statements.find(RESOURCE, wanted, STORED, order=NEWEST, limit=limit + 1)
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
        wanted = both(asked, *self._sight.of_any_past())
        cursor = self._statements.find(
            HISTORY, wanted, STORED, order=NEWEST, limit=0 if bound else limit
        )
        number = passed = 0
        async with cursor:
            async for some in _in_lots(cursor):
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
        wanted = both({"_id": {"$in": sorted(ids)}}, *self._sight.of_any())
        seen = {each["_id"] for each in await self._statements.all(RESOURCE, wanted, {"_id": 1})}
        return [
            each
            for each in versions
            if f"{each['t']}/{each['i']}" in seen and self._sight.shows(each)
        ]

    async def as_of(self, part: Part, moment: int, limit: int) -> tuple[list[Stored], int | None]:
        """Return what was current at a moment in a range of surrogate ids, and where to go on."""
        wanted = both(
            {"n": {"$gte": part.low, "$lt": part.high}},
            {} if part.type is None else {"t": part.type},
            *self._sight.of_any(),
        )
        members = {**STORED, "n": 1}
        rows = await self._statements.all(RESOURCE, wanted, members, order=(("n", 1),), limit=limit)
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
        seen = both({"_id": {"$in": list(latest.values())}}, *self._sight.of_any_past())
        found = await self._statements.all(HISTORY, seen, {**STORED, "n": 1})
        return {each["n"]: each for each in found if self._sight.shows(each)}

    async def following(self, kind: str, after: str, highest: int, limit: int) -> list[Stored]:
        """Return the resources of a type that follow an id, those above a surrogate id left out."""
        wanted = both(
            {"t": kind, "i": {"$gt": after}, "n": {"$lte": highest}, "x": False},
            self._sight.of(kind),
        )
        found = await self._statements.all(
            RESOURCE, wanted, STORED, order=(("i", 1),), limit=limit, hint=BY_ID
        )
        return list(map(stored_of, found))


async def extent_of(statements: Statements, kind: str) -> Extent:
    """Return how many resources of a type there are, and the highest surrogate id of all."""
    number = await statements.count(RESOURCE, {"t": kind, "x": False})
    highest = await statements.all(RESOURCE, {}, {"n": 1}, order=(("n", -1),), limit=1)
    return Extent(number, highest[0]["n"] if highest else 0)


async def latest_moment(statements: Statements) -> int:
    """Return the moment of the latest committed write, 0 where there is none."""
    latest = await statements.all(RESOURCE, {}, {"m": 1}, order=NEWEST, limit=1)
    return int(latest[0]["m"]) if latest else 0


async def changes(statements: Statements, after: int, limit: int) -> list[Change]:
    """Return changes after a token, the oldest first; the moment is the token."""
    found: dict[int, Document] = {}
    # The current ones first: see Reader.history.
    for collection in (RESOURCE, HISTORY):
        wanted = {"m": {"$gt": after}}
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


async def _in_lots(documents: AsyncIterator[Document]) -> AsyncIterator[list[Document]]:
    some: list[Document] = []
    async for each in documents:
        some.append(each)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _moment(document: Document) -> int:
    moment: int = document["m"]
    return moment
