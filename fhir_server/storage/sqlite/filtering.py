"""What every candidate must satisfy besides the driver: in SQL where an index can tell, else on its record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeAlias, TypeVar

import apsw

from fhir_server.search.bounds import EVER, Between, narrower, primary_bounds
from fhir_server.search.expression import AllOf, HasWords, Predicate, asks_for_words
from fhir_server.search.matching import matches, says_nothing
from fhir_server.search.planning import is_selective
from fhir_server.search.record import IndexRecord, unpacked
from fhir_server.storage.sqlite.pages import PageStatement
from fhir_server.storage.sqlite.seeing import hide_denied, moments, reach, see
from fhir_server.storage.sqlite.translation import LISTED, Condition, Source, check, needs_row
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.windows import Place, Run

_T = TypeVar("_T")
Scan: TypeAlias = tuple[Source, Condition]
"""Where candidates are found, and the condition that finds them."""

ONE_IN = 32
"""Of so many candidates a sample has one."""

ROW_COLUMNS = "r.id, r.version, r.moment, r.method, r.body"

CHUNK = 32
MOST_IN_CHUNK = 512
"""How many are checked together: at first about a page, then more and more."""


class Filter:
    """The visibility and the remaining predicates of a search on one type.

    `one_by_one`: each of many statements looks at a resource or a few, so that what finds all that have a word
    is to be looked up once, and not by each of them. `between`: the first and the last primary date that are looked at.
    """

    def __init__(
        self,
        view: View,
        predicates: Sequence[Predicate],
        *,
        one_by_one: bool = False,
        between: Between = EVER,
    ) -> None:
        self._view = view
        self._checked: list[Predicate] = []
        residual: list[Predicate] = []
        for each in predicates:
            in_sql = is_selective(each) and not (one_by_one and asks_for_words(each))
            (self._checked if in_sql else residual).append(each)
        self._residual = AllOf(tuple(residual)) if residual else None
        self._asks_for_words = any(map(asks_for_words, residual))
        own = primary_bounds(AllOf(tuple(residual)))
        self._first, self._last = own if between == EVER else narrower(between, own)
        self._joined = residual != [] or any(map(needs_row, self._checked))

    @property
    def is_exact(self) -> bool:
        """Tell whether SQL alone decides, so that SQL can count."""
        return self._residual is None

    def places(self, scan: Scan, run: Run | None = None) -> Iterator[Place]:
        """Yield the places of the candidates that pass; those of a stretch in its order."""
        order = ""
        if run is not None:
            source, condition = scan
            scan = source, (bounded := condition.copy())
            order = run.bound(source, bounded, self._first)
        if self._residual is None:
            return iter(self._select(scan, scan[0].place, order))
        return (place for place, _, _ in self.records(scan, order=order))

    def passing(self, scan: Scan, between: Between = EVER) -> Iterator[Place]:
        """Yield the places of the candidates of these dates that pass what SQL can tell."""
        source, found = scan
        condition = found.copy()
        add_dates(source, between, condition)
        return iter(self._select((source, condition), source.place, ""))

    def sample(self, scan: Scan) -> Iterator[int]:
        """Yield the primary dates of one candidate in so many, whether it passes or not."""
        source, condition = scan
        rows = self._view.connection.execute(
            f"SELECT {source.primary_date} FROM {source.table}"  # noqa: S608 - constants
            f" WHERE {condition.text} AND {source.rid}%?=0",
            (*condition.values, ONE_IN),
        )
        return (date for (date,) in rows)

    def kept(self, places: Iterable[Place]) -> Iterator[Place]:
        """Yield the places of those that pass the rest as well: no more are looked at than are asked for."""
        if self._residual is None:
            yield from places
            return
        rest = Filter(self._view, (self._residual,), one_by_one=True)
        for chunk in chunks(iter(places), CHUNK, MOST_IN_CHUNK):
            found = {rid for (_, rid), _, _ in rest.among([rid for _, rid in chunk])}
            yield from (place for place in chunk if place[1] in found)

    def among(self, rids: Sequence[int]) -> Iterator[tuple[Place, int, IndexRecord]]:
        """Yield place, moment and index record of those of these resources that pass."""
        condition = Condition()
        condition.add("r.deleted=0")
        condition.add("r.rid IN (SELECT value FROM json_each(?))", f"[{','.join(map(str, rids))}]")
        return self.records((LISTED, condition))

    def records(self, scan: Scan, *, order: str = "") -> Iterator[tuple[Place, int, IndexRecord]]:
        """Yield place, moment and index record of the candidates that pass."""
        source, _ = scan
        columns = f"{source.place}, r.moment, r.record"
        says: Callable[[HasWords], bool] = says_nothing
        for primary_date, rid, moment, packed in self._select(scan, columns, order, joined=True):
            record = unpacked(packed)
            if self._asks_for_words:
                says = partial(self._view.words.has, self._view.kind, rid)
            if self._residual is None or matches(
                self._residual, record, updated=moment, resolve=self._view.resolve, says=says
            ):
                yield (primary_date, rid), moment, record

    def page(self, scan: Scan, run: Run, limit: int, *, records: bool) -> PageStatement:
        """Return the statement of the first candidates that pass in a stretch; only where `is_exact`."""
        source, _ = scan
        table, condition = self._found(scan, joined=True)
        reach(self._view.sight, self._view.kind, source, condition)
        guard = Condition()
        hide_denied(self._view.sight, source, ("?", self._view.kind), guard)
        at_end = moments(self._view.sight)
        values = guard.values[: len(guard.values) - len(at_end)]
        assert [*values, *at_end] == guard.values, "the moments are not what it ends with"
        bounds = Condition()
        order = run.bound(source, bounds)
        columns = (
            f"{source.place}, {source.owner}, {ROW_COLUMNS}, {'r.record' if records else 'NULL'}"
        )
        return PageStatement(
            self._view.kind,
            limit,
            f"SELECT {columns} FROM {table} WHERE {condition.text}",  # noqa: S608 - constants
            tuple(condition.values),
            (guard.text, tuple(values)),
            f" AND {bounds.text}{order} LIMIT {limit + 1}",
        )

    def count(self, scan: Scan) -> int:
        """Count the candidates that pass; only where `is_exact`."""
        for (number,) in self._select(scan, "count(*)", ""):
            return int(number)
        return 0

    def _select(self, scan: Scan, columns: str, order: str, *, joined: bool = False) -> apsw.Cursor:
        table, condition = self._passing(scan, joined=joined)
        statement = f"SELECT {columns} FROM {table} WHERE {condition.text}{order}"  # noqa: S608 - constants
        return self._view.connection.execute(statement, condition.values)

    def _passing(self, scan: Scan, *, joined: bool) -> tuple[str, Condition]:
        """Return the table and the condition of what passes: at its end what the caller may see."""
        source, _ = scan
        table, condition = self._found(scan, joined=joined)
        see(self._view.sight, self._view.kind, source, condition)
        return table, condition

    def _found(self, scan: Scan, *, joined: bool) -> tuple[str, Condition]:
        """Return the same before anything is said about the caller."""
        source, found = scan
        condition = found.copy()
        add_dates(source, (self._first, self._last), condition)
        for each in self._checked:
            check(self._view, each, source, condition)
        table = source.table
        if not source.has_row and (joined or self._joined):
            # CROSS JOIN: SQLite keeps the driver that was chosen.
            table += f" CROSS JOIN resource r ON r.rid={source.rid}"
        return table, condition


def add_dates(source: Source, between: Between, into: Condition) -> None:
    """Add that a candidate has one of these primary dates."""
    first, last = between
    if first is not None:
        into.add(f"{source.primary_date} >= ?", first)
    if last is not None:
        into.add(f"{source.primary_date} <= ?", last)


def chunks(items: Iterator[_T], first: int, most: int) -> Iterator[list[_T]]:
    """Yield items together: at first so many, then twice as many each time, up to the most."""
    size = first
    while chunk := list(islice(items, size)):
        yield chunk
        size = min(2 * size, most)
