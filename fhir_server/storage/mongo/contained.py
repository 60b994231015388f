"""Matches inside other resources: containers are found by what is posted of them, and asked on their index records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.contained import found_inside, inside
from fhir_server.search.expression import Contained, Predicate, SortKey
from fhir_server.search.matching import Resolver, matches, sort_key
from fhir_server.search.ordering import NATURAL, Order
from fhir_server.search.planning import leading_terms
from fhir_server.search.record import ANY_CONTAINED, NO_DATE, IndexRecord, unpacked
from fhir_server.search.record import inside as inside_type
from fhir_server.storage.mongo.conditions import both
from fhir_server.storage.mongo.documents import RECORD, Document
from fhir_server.storage.mongo.door import Door
from fhir_server.storage.mongo.schema import BY_TERM, Fields

MOST_CONTAINERS = 20_000
"""Containers that one search looks at."""

IN_PAGE_ORDER: Fields = (("d", -1), ("n", -1))

Inner: TypeAlias = list[tuple[int, IndexRecord]]
"""What matches inside a container, each with its place among all that it contains."""

Settle: TypeAlias = Callable[[Callable[[Resolver], Inner]], Awaitable[Inner]]
"""Work out what asks for other resources."""


@dataclass(frozen=True, slots=True)
class Inside:
    """The visible resources of one type inside others that satisfy a predicate."""

    door: Door
    kind: str
    predicate: Predicate
    wanted: Contained
    settle: Settle

    async def first(
        self, keys: tuple[SortKey, ...], after: Order | None, limit: int
    ) -> list[tuple[Order, Document]]:
        """Return the matches that follow a position, in page order no more than are asked for; raise TooCostly."""
        found: list[tuple[Order, Document]] = []
        async for document, inner in self.containers(after if keys == NATURAL else None):
            orders = self._orders(keys, document, inner)
            found += [(each, document) for each in orders if after is None or after < each]
            if keys == NATURAL and len(found) >= limit:
                break
        return found

    async def containers(self, after: Order | None = None) -> AsyncIterator[tuple[Document, Inner]]:
        """Yield the documents that hold matches, with these, in page order; raise TooCostly."""
        asked = inside(self.predicate)
        terms = leading_terms(asked) or (ANY_CONTAINED,)
        keys = [f"{inside_type(self.kind)}.{each}" for each in terms]
        condition = both({"x": False, "k": {"$in": keys}}, _from(after))
        number = 0
        rows = self.door.current(None, condition, RECORD, order=IN_PAGE_ORDER, hint=BY_TERM)
        async with aclosing(rows):
            async for document in rows:
                number += 1
                if number > MOST_CONTAINERS:
                    raise TooCostly(
                        f"More than {MOST_CONTAINERS} resources would be looked into: narrow the search"
                    )
                if inner := await self._matching(asked, document):
                    yield document, inner

    async def _matching(self, asked: Predicate, document: Document) -> Inner:
        record, moment = unpacked(document["z"]), document["m"]

        def matching(resolve: Resolver) -> Inner:
            def satisfies(predicate: Predicate, each: IndexRecord) -> bool:
                return matches(predicate, each, updated=moment, resolve=resolve)

            return list(found_inside(asked, self.kind, (document["t"], record), satisfies))

        return await self.settle(matching)

    def _orders(
        self, keys: tuple[SortKey, ...], document: Document, inner: Inner
    ) -> Iterator[Order]:
        own = unpacked(document["z"])
        if self.wanted.as_container:
            yield Order(keys, (*self._values(keys, own, document), document["n"]))
            return
        for place, record in inner:
            # In page order it stands where its container is listed.
            shown = own if keys == NATURAL else record
            yield Order(keys, (*self._values(keys, shown, document), document["n"], -1 - place))

    def _values(
        self, keys: tuple[SortKey, ...], record: IndexRecord, document: Document
    ) -> list[int | str | None]:
        return [sort_key(record, each, updated=document["m"]) for each in keys]


def _from(after: Order | None) -> Document:
    """Return the condition on what stands no earlier in page order than a position."""
    if after is None:
        return {}
    date = after.values[0]
    return {"d": {"$lte": NO_DATE if date is None else date}}
