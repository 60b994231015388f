"""The matches of one type in an order that is not page order: few are sorted, of many the index is walked.

A walk follows the first key; what has the same value there is sorted by the others. It costs what lies between the
matches of a page: where that turns out to be more than there are candidates, these are sorted after all.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.expression import SortKey
from fhir_server.search.matching import sort_key
from fhir_server.search.ordering import PRIMARY, Order, SortValue
from fhir_server.search.record import NO_DATE, IndexRecord
from fhir_server.storage.sqlite.candidates import Candidates
from fhir_server.storage.sqlite.filtering import chunks
from fhir_server.storage.sqlite.walking import COLUMNS, GATHERED, Start, Step, TooFar, walk_of
from fhir_server.storage.sqlite.windows import Place, Window

FEW = 1_000
"""Fewer candidates are sorted; more are looked for in the order of an index, at first in so many steps."""

CHUNK = 32
MOST_IN_CHUNK = 512
"""Steps of a walk that are checked together: at first about a page, then more and more."""

_PAST_ALL = 2**62


class Sorting:
    """The matches of one type by `completed` keys."""

    def __init__(self, candidates: Candidates, keys: tuple[SortKey, ...]) -> None:
        self._candidates = candidates
        self._keys = keys
        self._key, *others = keys
        # Equals in page order: as a walk meets them.
        self._is_met_in_order = [(e.kind, e.descending) for e in others] == [(PRIMARY, True)]

    def orders(self, start: Order | None) -> Iterator[Order]:
        """Yield where the matches stand, those after the given one."""
        if self._candidates.number(FEW) is not None:
            return self._sorted(start)
        return self._walked(start)

    def _sorted(self, start: Order | None) -> Iterator[Order]:
        found = (self._order(*each) for each in self._candidates.records())
        yield from sorted(each for each in found if start is None or start < each)

    def _walked(self, start: Order | None) -> Iterator[Order]:
        latest = start
        try:
            for latest in self._grouped(start):
                yield latest
        except TooFar:
            if self._candidates.number(GATHERED) is None:
                raise self._too_many() from None
            yield from self._sorted(latest)

    def _grouped(self, start: Order | None) -> Iterator[Order]:
        """Yield what a walk meets, of each value of the first key in the order of the others."""
        if self._is_met_in_order:
            yield from self._met(start)
            return
        for _, group in groupby(self._met(start), key=lambda each: each.values[0]):
            orders = list(islice(group, GATHERED + 1))
            if len(orders) > GATHERED:
                raise TooFar
            yield from sorted(orders)

    def _met(self, start: Order | None) -> Iterator[Order]:
        """Yield the matches as a walk meets them, each at the value that it is sorted by."""
        for chunk in chunks(self._patiently(self._steps(start)), CHUNK, MOST_IN_CHUNK):
            found = self._candidates.checked([rid for _, rid in chunk])
            for value, rid in chunk:
                if rid not in found:
                    continue
                order = self._order(rid, *found[rid])
                if order.values[0] == value and (start is None or start < order):
                    yield order

    def _steps(self, start: Order | None) -> Iterator[Step]:
        """Yield the steps of the walk along the values, then those to what has none."""
        if self._key.kind == PRIMARY:
            yield from self._steps_by_primary(start)
            return
        value = None if start is None else start.values[0]
        behind = None if start is None or not self._is_met_in_order else _place(start)
        walk = walk_of(self._candidates.view, self._key, self._candidates.required)
        if start is None:
            yield from walk.steps(None)
        elif value is not None:
            yield from walk.steps(Start(value, behind))
            behind = None
        if self._key.parameter not in COLUMNS:
            yield from ((None, rid) for _, rid in self._candidates.in_order(Window(behind)))

    def _steps_by_primary(self, start: Order | None) -> Iterator[Step]:
        """Yield the steps in page order, beginning with all of the date where the last page ended."""
        descending = self._key.descending
        after = None
        if start is not None:
            after = _date(start.values[0]), _PAST_ALL if descending else 0
        places = self._candidates.in_order(Window(after, descending=descending))
        return ((None if date == NO_DATE else date, rid) for date, rid in places)

    def _patiently(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Yield steps; raise TooFar once it is more than there are candidates, which might be sorted."""
        yield from islice(steps, FEW)
        most = self._candidates.number(GATHERED)
        for number, step in enumerate(steps, FEW):
            if most is not None and number >= most:
                raise TooFar
            yield step

    def _order(self, rid: int, moment: int, record: IndexRecord) -> Order:
        values = (sort_key(record, each, updated=moment) for each in self._keys)
        return Order(self._keys, (*values, rid))

    def _too_many(self) -> TooCostly:
        names = ",".join(each.parameter for each in self._keys if each.parameter)
        return TooCostly(
            f"More than {GATHERED} resources would have to be sorted by {names} at once: "
            "narrow the search, or leave out _sort"
        )


def _place(order: Order) -> Place:
    """Return where it stands among those of the same value, which are in page order."""
    *_, date, rid = order.values
    return _date(date), int(rid or 0)


def _date(value: SortValue) -> int:
    return NO_DATE if value is None else int(value)
