"""Joins: the other type is searched first, under the same sight, and what it comes to is written in place of the join.

What is too much to write out is asked of each candidate in turn, within bounds. What stands below or above in a
hierarchy is followed level by level.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.canonicals import named, naming
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasTerm,
    InHierarchy,
    Not,
    PointedToBy,
    PointsTo,
    Predicate,
)
from fhir_server.search.matching import Resolver, referred
from fhir_server.search.record import IndexRecord, contained_term, reference_term
from fhir_server.storage.mongo.asking import settled

WRITTEN_OUT = 20_000
"""How many resources of the other type are written out."""

T = TypeVar("T")

MOST_JOINED = 5_000
"""How often one search may ask whether another resource is there."""

MOST_REACHED = 10_000
"""How many resources may stand below or above those that are asked for."""

MOST_LEVELS = 100

Find = Callable[[str, Predicate, int], Awaitable[list[IndexRecord]]]


class Joins:
    """The other types of one search; `find` returns the first so many visible matches of a type."""

    def __init__(self, find: Find, *, most: int) -> None:
        self._find = find
        self._most = self._left = most
        self._answers: dict[tuple[str, Predicate], bool] = {}
        self._few: dict[tuple[str, Predicate], list[IndexRecord] | None] = {}

    async def written(self, kind: str, predicate: Predicate) -> Predicate:
        """Return a predicate of a type with its joins written out, but for those that lead to too much."""
        match predicate:
            case InHierarchy():
                return HasId(tuple(sorted(await self._reached(predicate))))
            case PointsTo():
                return await self._pointing(kind, predicate)
            case PointedToBy():
                return await self._pointed(predicate)
            case Not(inner):
                return Not(await self.written(kind, inner))
            case AllOf(parts):
                return AllOf(tuple([await self.written(kind, each) for each in parts]))
            case AnyOf(parts):
                return AnyOf(tuple([await self.written(kind, each) for each in parts]))
            case _:
                return predicate

    async def settled(self, work: Callable[[Resolver], T]) -> T:
        """Return what work comes to that asks whether other resources are there; raise TooCostly."""
        return await settled(
            lambda look: work(lambda kind, predicate: look((kind, predicate))),
            self._exists,
            self._answers,
        )

    async def _exists(self, asked: tuple[str, Predicate]) -> bool:
        if self._left == 0:
            raise TooCostly(
                f"The chain would look at more than {self._most} resources: narrow the search, "
                "or search the other type first"
            )
        self._left -= 1
        return await self._find(*asked, 1) != []

    async def _pointing(self, kind: str, chain: PointsTo) -> Predicate:
        few = await self._those(chain.target, chain.predicate)
        if few is None:
            return chain
        if chain.canonical:
            return naming(few, chain.parameter)
        terms = [reference_term(chain.parameter, f"{chain.target}/{each.id}") for each in few]
        written = HasAnyTerm(tuple(terms))
        inside = HasTerm(contained_term(chain.parameter))
        if not await self._find(kind, inside, 1):
            return written
        # What is contained is known to the record alone.
        return AnyOf((written, AllOf((inside, chain))))

    async def _pointed(self, chain: PointedToBy) -> Predicate:
        few = await self._those(chain.source, chain.predicate)
        if few is None:
            return chain
        if chain.canonical:
            return named(few, chain.parameter)
        ids = {each for record in few for each in referred(record, chain.parameter, chain.own)}
        return HasId(tuple(sorted(ids)))

    async def _those(self, kind: str, predicate: Predicate) -> list[IndexRecord] | None:
        """Return what satisfies a predicate, None if it is much."""
        if (kind, predicate) not in self._few:
            found = await self._find(kind, predicate, WRITTEN_OUT + 1)
            self._few[kind, predicate] = None if len(found) > WRITTEN_OUT else found
        return self._few[kind, predicate]

    async def _reached(self, asked: InHierarchy) -> frozenset[str]:
        """Return ids of resources below or above; raise TooCostly where there are too many.

        One that is only named above, and may not be seen, is among them: what is searched by it is seen or not by itself.
        """
        step = self._parts if asked.side == "below" else self._wholes
        found: set[str] = set()
        frontier = set(asked.ids)
        for _ in range(MOST_LEVELS):
            frontier = await step(asked, frontier) - found
            found |= frontier
            if not frontier:
                return frozenset(found)
            if len(found) > MOST_REACHED:
                raise TooCostly(
                    f"{_named(asked)} there are more than the {MOST_REACHED} that are looked at"
                )
        raise TooCostly(f"{_named(asked)} there are more than {MOST_LEVELS} levels")

    async def _parts(self, asked: InHierarchy, wholes: Iterable[str]) -> set[str]:
        terms = [reference_term(asked.parameter, f"{asked.own}/{each}") for each in sorted(wholes)]
        found = await self._find(asked.own, HasAnyTerm(tuple(terms)), MOST_REACHED + 1)
        return {each.id for each in found}

    async def _wholes(self, asked: InHierarchy, parts: Iterable[str]) -> set[str]:
        found = await self._of_ids(asked.own, parts)
        return {each for record in found for each in referred(record, asked.parameter, asked.own)}

    async def _of_ids(self, kind: str, ids: Iterable[str]) -> Sequence[IndexRecord]:
        wanted = HasId(tuple(sorted(ids)))
        return await self._find(kind, wanted, len(wanted.ids)) if wanted.ids else ()


def _named(asked: InHierarchy) -> str:
    return f"{asked.side.capitalize()} {asked.own}/{asked.ids[0]} by {asked.parameter}"
