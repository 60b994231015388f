"""The matches of one type in an order that is not page order: few are sorted, of many the index is walked.

A walk follows the first key; what has the same value there is sorted by the others. It costs what lies between the
matches of a page: where that turns out to be more than there are candidates, these are sorted after all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.expression import HasTerm, SortKey
from fhir_server.search.matching import MARKERS, sort_key
from fhir_server.search.ordering import PRIMARY, Order, SortValue
from fhir_server.search.parameter_types.criterion import any_of
from fhir_server.search.record import NO_DATE, IndexRecord
from fhir_server.storage.sqlite.candidates import Candidates
from fhir_server.storage.sqlite.filtering import chunks
from fhir_server.storage.sqlite.ranging import GATHERED, SpanWalk, is_crowded_day
from fhir_server.storage.sqlite.walking import (
    COLUMNS,
    ColumnWalk,
    Start,
    Step,
    TermWalk,
    TooFar,
    Walk,
)
from fhir_server.storage.sqlite.windows import Place, Window

FEW = 1_000
"""Fewer candidates are sorted; more are looked for in the order of an index, at first in so many steps."""

CHUNK = 32
MOST_IN_CHUNK = 512
"""Steps of a walk that are checked together: at first about a page, then more and more."""

_PAST_ALL = 2**62


class Sorting:
    """The matches of one type by `completed` keys; of these such as have the values `fixed` for the first ones."""

    def __init__(
        self, candidates: Candidates, keys: tuple[SortKey, ...], fixed: tuple[SortValue, ...] = ()
    ) -> None:
        self._candidates = candidates
        self._keys = keys
        self._fixed = fixed
        self._number = len(fixed)
        self._has_met = False
        self._key, *others = keys[self._number :]
        self._equals = self._of_one_value()
        self._is_met_in_order = self._leaves_page_order(others)

    def _of_one_value(self) -> Window:
        """Return the window of what has the same value of the key: its order is that of the primary date, or of that alone."""
        number, date = _primary(self._keys)
        fixed = _date(self._fixed[number]) if number < self._number else None
        return Window(descending=date.descending, date=fixed)

    def _leaves_page_order(self, others: Sequence[SortKey]) -> bool:
        """Tell whether equals of the key stand by primary date, which a walk meets them in."""
        if self._key.kind == PRIMARY:
            return not others
        return not others or [each.kind for each in others] == [PRIMARY]

    def orders(self, start: Order | None) -> Iterator[Order]:
        """Yield where the matches stand, those after the given one."""
        if start is not None and start.values[: self._number] != self._fixed:
            start = None
        if self._candidates.number(FEW) is not None:
            return self._sorted(start)
        return self._walked(start)

    def _sorted(self, start: Order | None) -> Iterator[Order]:
        found = (self._order(*each) for each in self._candidates.records())
        fixed = (each for each in found if each.values[: self._number] == self._fixed)
        yield from sorted(each for each in fixed if start is None or start < each)

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
        """Yield what a walk meets, of each value of its key in the order of the others."""
        if self._is_met_in_order:
            yield from self._met(self._steps(start), start)
            return
        if start is not None and self._narrows(value := self._value_of(start)):
            yield from self._by_next_key(value, start)
        else:
            yield from self._sorted_groups(self._steps(start), start)

    def _sorted_groups(self, steps: Iterator[Step], start: Order | None) -> Iterator[Order]:
        for value, group in groupby(self._met(steps, start), key=self._value_of):
            members = iter(group)
            orders = list(islice(members, FEW + 1))
            if len(orders) > FEW and self._narrows(value):
                yield from self._by_next_key(value, start)
                return
            orders += islice(members, GATHERED)
            if len(orders) > GATHERED:
                raise TooFar
            yield from sorted(orders)

    def _narrows(self, value: SortValue) -> bool:
        """Tell whether those of one value can be walked by the next key: a walk of all meets few others."""
        has_next = self._number + 1 < len(self._keys)
        return has_next and (value is None or self._has_terms or self._is_crowded(value))

    @property
    def _has_terms(self) -> bool:
        return self._key.kind in MARKERS and self._key.parameter not in COLUMNS

    def _is_crowded(self, value: SortValue) -> bool:
        """Tell whether so many have a date or number that a walk of all by the next key soon meets one of them."""
        if self._key.parameter in COLUMNS:
            return False
        if self._key.kind == PRIMARY:
            return is_crowded_day(self._candidates.view, _date(value))
        return self._spans().is_crowded(value)

    def _by_next_key(self, value: SortValue, start: Order | None) -> Iterator[Order]:
        """Yield those of one value, however many, in the order of the next key; then what follows."""
        candidates = self._candidates
        if value is not None and self._has_terms:
            terms = self._terms().terms(str(value))
            candidates = candidates.narrowed(any_of(map(HasTerm, terms)))
        yield from Sorting(candidates, self._keys, (*self._fixed, value)).orders(start)
        if value is not None:
            yield from self._sorted_groups(self._past(value), start)

    def _past(self, value: int | str) -> Iterator[Step]:
        """Yield the steps past a value."""
        if self._key.kind == PRIMARY:
            descending = self._key.descending
            last = int(value), 0 if descending else _PAST_ALL
            return self._dated(Window(last, descending=descending))
        return self._along(Start(value, None))

    def _met(self, steps: Iterator[Step], start: Order | None) -> Iterator[Order]:
        """Yield the matches as a walk meets them, each at the value that it is sorted by."""
        for chunk in chunks(self._patiently(steps), CHUNK, MOST_IN_CHUNK):
            found = self._candidates.checked([rid for _, rid in chunk])
            for value, rid in chunk:
                if rid not in found:
                    continue
                order = self._order(rid, *found[rid])
                stands = order.values[: self._number + 1] == (*self._fixed, value)
                if stands and (start is None or start < order):
                    self._has_met = True
                    yield order

    def _value_of(self, order: Order) -> SortValue:
        return order.values[self._number]

    def _steps(self, start: Order | None) -> Iterator[Step]:
        """Yield the steps of the walk from there on; those to what has no value come last."""
        if self._key.kind == PRIMARY:
            return self._by_primary(start)
        if start is None:
            return self._along(None)
        value = self._value_of(start)
        among = self._equals.behind(_place(start) if self._is_met_in_order else None)
        return self._without_value(among) if value is None else self._along(Start(value, among))

    def _along(self, start: Start | None) -> Iterator[Step]:
        yield from self._walk().steps(start)
        yield from self._without_value(self._equals)

    def _walk(self) -> Walk:
        """Return the walk for a key that is not the primary date, past what is ruled out at a glance."""
        if self._key.parameter in COLUMNS:
            return ColumnWalk(self._candidates.view, self._key, self._candidates.required)
        return self._terms() if self._key.kind in MARKERS else self._spans()

    def _terms(self) -> TermWalk:
        return TermWalk(self._candidates.view, self._key, self._equals)

    def _spans(self) -> SpanWalk:
        candidates = self._candidates
        return SpanWalk(candidates.view, self._key, candidates.in_order, self._equals)

    def _without_value(self, among: Window) -> Iterator[Step]:
        if self._key.parameter not in COLUMNS:
            yield from ((None, rid) for _, rid in self._candidates.in_order(among))

    def _by_primary(self, start: Order | None) -> Iterator[Step]:
        """Yield the steps in page order, beginning with all of the date where the last page ended."""
        descending, after = self._key.descending, None
        if start is not None:
            after = _date(self._value_of(start)), _PAST_ALL if descending else 0
        return self._dated(Window(after, descending=descending))

    def _dated(self, window: Window) -> Iterator[Step]:
        places = self._candidates.in_order(window)
        return ((None if date == NO_DATE else date, rid) for date, rid in places)

    def _patiently(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Yield steps; raise TooFar where sorting the candidates is likely to be cheaper.

        That is after as many steps as there are candidates, or after a few that have met none of them: what is
        asked for then lies elsewhere in this order.
        """
        yield from islice(steps, FEW)
        most = self._candidates.number(GATHERED)
        for number, step in enumerate(steps, FEW):
            if most is not None and (number >= most or not self._has_met):
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
    number, _ = _primary(order.keys)
    return _date(order.values[number]), int(order.values[-1] or 0)


def _primary(keys: Sequence[SortKey]) -> tuple[int, SortKey]:
    """Return the key that is the primary date, which is always one, and its number."""
    return next((number, each) for number, each in enumerate(keys) if each.kind == PRIMARY)


def _date(value: SortValue) -> int:
    return NO_DATE if value is None else int(value)
