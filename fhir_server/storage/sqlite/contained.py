"""Matches inside other resources: what `Plan.contained` asks for.

A contained resource is posted at the place of its container, under its own type apart from others (`record.inside`). A
posting tells that a container may hold a match: whether it does, the records inside of its record tell. Who sees the
container sees what is in it, and nobody else does.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.contained import found_inside, inside
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    Contained,
    HasId,
    HasTerm,
    HasWords,
    Predicate,
    SortKey,
    Updated,
)
from fhir_server.search.matching import matches, sort_key
from fhir_server.search.ordering import NATURAL, Order, SortValue
from fhir_server.search.planning import choose, conjuncts
from fhir_server.search.record import ANY_CONTAINED, NO_DATE, IndexRecord, unpacked
from fhir_server.search.record import inside as inside_type
from fhir_server.storage.sqlite.budget import held
from fhir_server.storage.sqlite.filtering import CHUNK, MOST_IN_CHUNK, Scan, chunks
from fhir_server.storage.sqlite.leads import Leads
from fhir_server.storage.sqlite.ranging import GATHERED
from fhir_server.storage.sqlite.seeing import see_any
from fhir_server.storage.sqlite.translation import LISTED, Condition
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.windows import Place, Run, Window

SELECT = """
SELECT r.rid, r.type, r.primary_date, r.moment, r.record FROM resource r
WHERE r.deleted=0 AND r.rid IN (SELECT value FROM json_each(?)) AND {}
"""


@dataclass(frozen=True, slots=True)
class Container:
    """A visible resource, and those inside of it that match, each with its place among all contained ones."""

    rid: int
    kind: str
    primary_date: int
    moment: int
    record: IndexRecord
    matches: tuple[tuple[int, IndexRecord], ...]


class Inside:
    """The visible resources inside others, of the view's type, that satisfy a predicate."""

    def __init__(
        self, view: View, predicate: Predicate, wanted: Contained, *, of_all: bool
    ) -> None:
        self.view = view
        self._wanted = wanted
        self._asked = inside(predicate)
        self._leads = Leads(replace(view, kind=inside_type(view.kind)))
        leading = AllOf(tuple(each for each in conjuncts(self._asked) if _may_lead(each)))
        self.driver = choose(
            inside_type(view.kind), self._leads.expanded(leading), self._leads.count, of_all=of_all
        )
        self._lead = self.driver.lead or HasTerm(ANY_CONTAINED)

    def orders(self, keys: tuple[SortKey, ...], start: Order | None) -> Iterator[Order]:
        """Yield where the matches stand, those after the given one; raise TooCostly for too many to sort."""
        if keys == NATURAL:
            found = chain.from_iterable(map(self._natural, self._containers(self._in_order(start))))
            return (each for each in found if start is None or start < each)
        every = chain.from_iterable(self._sorted(keys, each) for each in self._everywhere())
        orders = list(islice(every, GATHERED + 1))
        if len(orders) > GATHERED:
            raise TooCostly(
                f"More than {GATHERED} contained resources would have to be sorted at once: "
                "narrow the search, or leave out _sort"
            )
        return iter(sorted(each for each in orders if start is None or start < each))

    def counted(self, lead: Predicate, most: int) -> int:
        """Count the containers of what could lead, up to a limit."""
        return self._leads.count(lead, most)

    @property
    def type(self) -> str:
        """The type that it is posted under."""
        return inside_type(self.view.kind)

    @property
    def required(self) -> tuple[Predicate, ...]:
        """What is looked for in each container."""
        return tuple(conjuncts(self._asked))

    def number(self) -> int:
        """Return how many matches there are, each by itself."""
        return sum(len(each.matches) for each in self._everywhere())

    def containers(self) -> Iterator[tuple[int, str]]:
        """Yield rid and type of each container that has a match, once and in no order."""
        return ((each.rid, each.kind) for each in self._everywhere())

    def _natural(self, found: Container) -> Iterator[Order]:
        """Yield the orders of what is read in page order: as the container is listed."""
        date = None if found.primary_date == NO_DATE else found.primary_date
        if self._wanted.as_container:
            yield Order(NATURAL, (date, found.rid))
            return
        for place, _ in found.matches:
            yield Order(NATURAL, (date, found.rid, -1 - place))

    def _sorted(self, keys: tuple[SortKey, ...], found: Container) -> Iterator[Order]:
        def values(record: IndexRecord) -> tuple[SortValue, ...]:
            return tuple(sort_key(record, each, updated=found.moment) for each in keys)

        if self._wanted.as_container:
            yield Order(keys, (*values(found.record), found.rid))
            return
        for place, record in found.matches:
            yield Order(keys, (*values(record), found.rid, -1 - place))

    def _in_order(self, start: Order | None) -> Iterator[Place]:
        """Yield the places of what may hold a match in page order, beginning with that where a page ended."""
        after = None
        if start is not None:
            date, rid, *_ = start.values
            after = NO_DATE if date is None else int(date), int(rid or 0) + 1
        window = Window(after)
        scans = self._leads.in_order(self._lead)
        if scans is None:
            yield from window.arranged(held(self._gathered()))
            return
        (run,) = window.runs()
        merged = heapq.merge(*(self._select(each, run) for each in scans), reverse=True)
        yield from (place for place, _ in groupby(merged))

    def _everywhere(self) -> Iterator[Container]:
        """Yield all containers of matches, each once."""
        return self._containers(held(self._gathered()))

    def _gathered(self) -> Iterator[Place]:
        return chain.from_iterable(map(self._select, self._leads.scans(self._lead)))

    def _select(self, scan: Scan, run: Run | None = None) -> Iterator[Place]:
        source, found = scan
        condition = found.copy()
        order = "" if run is None else run.bound(source, condition)
        statement = f"SELECT {source.place} FROM {source.table} WHERE {condition.text}{order}"  # noqa: S608 - constants
        return self.view.connection.execute(statement, condition.values)

    def _containers(self, places: Iterable[Place]) -> Iterator[Container]:
        """Yield those that may be seen and hold a match, in the order of the places."""
        condition = Condition()
        see_any(self.view.sight, "r.type", LISTED, condition)
        statement = SELECT.format(condition.text)
        for chunk in chunks(iter(places), CHUNK, MOST_IN_CHUNK):
            listed = f"[{','.join(str(rid) for _, rid in chunk)}]"
            rows = self.view.connection.execute(statement, (listed, *condition.values))
            by_rid = {row[0]: row for row in rows}
            for row in filter(None, (by_rid.get(rid) for _, rid in chunk)):
                if found := self._container(*row):
                    yield found

    def _container(
        self, rid: int, kind: str, primary_date: int, moment: int, packed: bytes
    ) -> Container | None:
        def satisfies(predicate: Predicate, record: IndexRecord) -> bool:
            return matches(predicate, record, updated=moment, resolve=self.view.resolve)

        record = unpacked(packed)
        found = tuple(found_inside(self._asked, self.view.kind, (kind, record), satisfies))
        return Container(rid, kind, primary_date, moment, record, found) if found else None


def _may_lead(predicate: Predicate) -> bool:
    """Tell whether containers can be found by a predicate: what has rows is posted, or else asked of containers alone."""
    match predicate:
        case HasId() | Updated() | HasWords():
            return False
        case AllOf(parts) | AnyOf(parts):
            return all(map(_may_lead, parts))
        case _:
            return True
