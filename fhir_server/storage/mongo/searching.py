"""Searches: one type after the other, each by one statement where the server can check all and give the order.

Otherwise the statement gives what may match, and the oracle decides here on each index record. All statements of a search
are of one transaction, so that they are of one moment.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from heapq import nsmallest
from typing import TypeVar

import msgspec

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.expression import HasWords, Plan, Predicate, SortKey
from fhir_server.search.matching import Resolver, matches, sort_key
from fhir_server.search.ordering import Order, completed
from fhir_server.search.record import IndexRecord, unpacked
from fhir_server.search.words import has_words, texts_of
from fhir_server.storage.mongo.conditions import both
from fhir_server.storage.mongo.documents import RECORD, RESOURCE, ROW, Document, row_of
from fhir_server.storage.mongo.door import Door
from fhir_server.storage.mongo.joining import MOST_JOINED, Joins
from fhir_server.storage.mongo.orders import Run, is_served, runs, value_of
from fhir_server.storage.mongo.planning import Planner, Wanted
from fhir_server.storage.mongo.sights import Sight
from fhir_server.storage.mongo.statements import Statements
from fhir_server.storage.pages import Count, Page, Position

GATHERED = 20_000
"""Matches that are sorted here for one page."""

MOST_CHECKED = 200_000
"""Index records that one search looks at."""

MOST_READ = 5_000
"""Resources whose text one search looks at."""

# Numbers are no words: one beyond all floats is no hindrance.
_decode = msgspec.json.Decoder(float_hook=lambda _: None).decode

T = TypeVar("T")

Found = tuple[Order, Document]
"""Where a match stands, and its document."""


class Searcher:
    """Searches of one request, as its caller sees things."""

    def __init__(
        self, statements: Statements, sight: Sight, *, most_joined: int = MOST_JOINED
    ) -> None:
        self.statements = statements
        self.sight = sight
        self.door = Door(statements, sight)
        self._joins = Joins(self.records, most=most_joined)
        self._planner = Planner(statements, sight)
        self._checked = self._read = 0

    async def page(self, plan: Plan, after: Position | None, limit: int) -> Page:
        """Return the next visible matches; raise TooCostly or OutOfTime."""
        keys = completed(plan.sort)
        start = None if after is None else Order(keys, after)
        kinds = await self.kinds(plan)
        whole = len(kinds) == 1 and is_served(keys)
        found: list[Found] = []
        for kind in kinds:
            wanted = await self.wanted(kind, plan.predicate_of(kind))
            members = {**wanted.members, **ROW} if whole else wanted.members
            found += await self.first(wanted, keys, start, limit + 1, members)
        found = nsmallest(limit + 1, found, key=_place)
        shown = [document for _, document in found[:limit]]
        rows = tuple(map(row_of, shown if whole else await self.rows(shown)))
        return Page(rows, found[limit - 1][0].values if len(found) > limit else None)

    async def count(self, plan: Plan) -> Count:
        """Return the number of visible matches; raise TooCostly or OutOfTime."""
        number = 0
        for kind in await self.kinds(plan):
            number += await self.counted(await self.wanted(kind, plan.predicate_of(kind)))
        return Count(number, exact=True)

    async def settled(self, work: Callable[[Resolver], T]) -> T:
        """Return what work comes to that asks whether other resources are there; raise TooCostly."""
        return await self._joins.settled(work)

    async def records(self, kind: str, predicate: Predicate, most: int) -> list[IndexRecord]:
        """Return the index records of visible matches, of many the first ones."""
        if not self.sight.visibility.permits_type(kind):
            return []
        wanted = await self.wanted(kind, predicate)
        passing = self._passing(wanted, {**wanted.members, **RECORD}, limit=most)
        async with aclosing(passing):
            return [unpacked(document["z"]) async for document in passing]

    async def kinds(self, plan: Plan) -> list[str]:
        """Return the types of a plan that may be seen."""
        kinds = plan.types
        if kinds is None:
            kinds = frozenset(await self.statements.distinct(RESOURCE, "t", {}))
        return sorted(each for each in kinds if self.sight.visibility.permits_type(each))

    async def wanted(self, kind: str, predicate: Predicate) -> Wanted:
        """Return how the matches of a type are found, its joins written out."""
        return await self._planner.wanted(kind, await self._joins.written(kind, predicate))

    async def first(
        self,
        wanted: Wanted,
        keys: tuple[SortKey, ...],
        after: Order | None,
        limit: int,
        members: dict[str, int],
    ) -> list[Found]:
        """Return the first matches of a type that follow a position."""
        if not is_served(keys):
            return await self._sorted(wanted, keys, after, limit)
        found: list[Found] = []
        for run in runs(keys, after):
            left = limit - len(found)
            passing = self._passing(wanted, members, run=run, limit=left)
            async with aclosing(passing):
                async for document in passing:
                    values = [value_of(each, document) for each in keys]
                    found.append((Order(keys, (*values, document["n"])), document))
            if len(found) == limit:
                break
        return found

    async def _sorted(
        self, wanted: Wanted, keys: tuple[SortKey, ...], after: Order | None, limit: int
    ) -> list[Found]:
        found: list[Found] = []
        async for document in self._passing(wanted, {**wanted.members, **RECORD}):
            record = unpacked(document["z"])
            values = [sort_key(record, each, updated=document["m"]) for each in keys]
            order = Order(keys, (*values, document["n"]))
            if after is None or after < order:
                found.append((order, {name: document[name] for name in ("_id", "n")}))
            if len(found) > GATHERED:
                raise _too_many(keys)
        return nsmallest(limit, found, key=_place)

    async def _passing(
        self,
        wanted: Wanted,
        members: dict[str, int],
        *,
        run: Run | None = None,
        limit: int = 0,
    ) -> AsyncGenerator[Document]:
        """Yield the matches of a type, each with these members; `limit` 0: all."""
        exact = wanted.residual is None
        rows = self.door.current(
            wanted.kind,
            wanted.condition if run is None else both(wanted.condition, run.condition),
            members,
            order=() if run is None else run.members,
            limit=limit if exact else 0,
            hint=run.index if run is not None and wanted.lead is None else wanted.hint,
        )
        number = 0
        async with aclosing(rows):
            async for document in rows:
                if exact or await self._matches(wanted, document):
                    yield document
                    number += 1
                    if number == limit:
                        return

    async def _matches(self, wanted: Wanted, document: Document) -> bool:
        residual = wanted.residual
        assert residual is not None
        self._note(document)
        record, body = unpacked(document["z"]), document.get("b")

        def says(asked: HasWords) -> bool:
            return body is not None and has_words(texts_of(_decode(body)), asked)

        return await self._joins.settled(
            lambda resolve: matches(
                residual, record, updated=document["m"], resolve=resolve, says=says
            )
        )

    def _note(self, document: Document) -> None:
        """Count what is looked at here; raise TooCostly where that is too much."""
        self._checked += 1
        self._read += "b" in document
        if self._read > MOST_READ:
            raise TooCostly(
                f"The text of more than {MOST_READ} resources would have to be read, as this store "
                "keeps no index of words: narrow the search"
            )
        if self._checked > MOST_CHECKED:
            raise TooCostly(
                f"More than {MOST_CHECKED} resources would have to be looked at: narrow the search"
            )

    async def counted(self, wanted: Wanted) -> int:
        """Return the number of matches of a type."""
        if wanted.residual is None:
            return await self.door.count(wanted.kind, wanted.condition, hint=wanted.hint)
        number = 0
        async for _ in self._passing(wanted, wanted.members):
            number += 1
        return number

    async def rows(self, shown: Sequence[Document]) -> list[Document]:
        """Return the whole documents of what is shown, in its order: of the same moment."""
        ids = [each["_id"] for each in shown]
        if not ids:
            return []
        found = self.door.current(None, {"_id": {"$in": ids}}, {**ROW, "_id": 1})
        by_id = {each["_id"]: each async for each in found}
        return [by_id[each] for each in ids]


def _place(found: Found) -> Order:
    return found[0]


def _too_many(keys: Sequence[SortKey]) -> TooCostly:
    names = ",".join(each.parameter for each in keys if each.parameter)
    return TooCostly(
        f"More than {GATHERED} resources would have to be sorted by {names} at once: "
        "narrow the search, or leave out _sort"
    )
