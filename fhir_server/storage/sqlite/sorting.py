"""A page sorted by a string, token, reference or URI, read from the terms, which are in that order.

Where many resources match, this reads what the page needs, and no more. A resource stands where its first value does
(its last one, where the order is descending); those without a value come at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.expression import Predicate, SortKey
from fhir_server.search.matching import MARKERS, sort_key
from fhir_server.search.ordering import Order
from fhir_server.search.record import SEPARATOR, prefix_end
from fhir_server.storage.sqlite.filtering import Filter
from fhir_server.storage.sqlite.translation import LISTED, Condition
from fhir_server.storage.sqlite.view import View

MOST_WITHOUT = 100_000
"""How many resources without a value are gathered for the end of the list."""


def is_sorted_by_terms(keys: tuple[SortKey, ...]) -> bool:
    """Tell whether the order is that of a term."""
    return len(keys) == 1 and keys[0].kind in MARKERS and keys[0].parameter != "_id"


class TermOrder:
    """The matches of one type in the order of a term."""

    def __init__(self, view: View, predicates: tuple[Predicate, ...], key: SortKey) -> None:
        self._view = view
        self._filter = Filter(view, predicates, one_by_one=True)
        self._key = key
        self._prefix = view.key(key.parameter + MARKERS[key.kind])

    def orders(self, after: Order | None) -> Iterator[Order]:
        """Yield where the matches stand, those after the given one."""
        if after is None or after.values[0] is not None:
            yield from self._with_value(after)
            after = None
        yield from self._without_value(after)

    def _with_value(self, after: Order | None) -> Iterator[Order]:
        for value, rows in groupby(self._terms(after), key=lambda row: row[0]):
            rids = sorted((rid for _, rid in rows), reverse=self._key.descending)
            for rid in dict.fromkeys(rids):
                order = Order((self._key,), (value, rid))
                if (after is None or after < order) and self._stands_at(value, rid):
                    yield order

    def _terms(self, after: Order | None) -> Iterator[tuple[str, int]]:
        """Yield value and rid in order, from the value where the last page ended."""
        low, high = self._prefix, prefix_end(self._prefix)
        if after is not None:
            at = self._prefix + str(after.values[0])
            low, high = (low, prefix_end(at)) if self._key.descending else (at, high)
        way = "DESC" if self._key.descending else "ASC"
        rows = self._view.connection.execute(
            f"SELECT term, rid FROM term WHERE term>=? AND term<? ORDER BY term {way}",  # noqa: S608 - constants
            (low, high),
        )
        start = len(self._prefix)
        return ((str(term)[start:].partition(SEPARATOR)[0], int(str(rid))) for term, rid in rows)

    def _stands_at(self, value: str, rid: int) -> bool:
        """Tell whether a resource matches and has this value as its first (or last) one."""
        condition = Condition()
        condition.add("r.rid=?", rid)
        return any(
            sort_key(record, self._key, updated=moment) == value
            for _, moment, record in self._filter.records((LISTED, condition))
        )

    def _without_value(self, after: Order | None) -> Iterator[Order]:
        condition = Condition()
        condition.add("r.type=? AND r.deleted=0", self._view.kind)
        rids: list[int] = []
        for (_, rid), moment, record in self._filter.records((LISTED, condition)):
            if sort_key(record, self._key, updated=moment) is None:
                rids.append(rid)
            if len(rids) > MOST_WITHOUT:
                raise TooCostly(f"Too many resources have no {self._key.parameter} to sort by")
        orders = (Order((self._key,), (None, rid)) for rid in rids)
        yield from sorted(each for each in orders if after is None or after < each)
