"""The matches of one type: a lead's candidates, each checked for all the rest, in page order or in none."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import chain, groupby
from typing import Any

from fhir_server.search.expression import AllOf, HasId, HasTerm, Predicate, SortKey
from fhir_server.search.planning import choose, conjuncts
from fhir_server.search.record import IndexRecord
from fhir_server.storage.sqlite.filtering import Filter, Scan
from fhir_server.storage.sqlite.index import compartment_term
from fhir_server.storage.sqlite.leads import Leads
from fhir_server.storage.sqlite.sorting import TermOrder
from fhir_server.storage.sqlite.translation import LISTED
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.windows import Place, Run, Window


class Candidates:
    """The visible resources of one type that satisfy a predicate.

    `asked` is what the predicate was before its joins were written out: what is long to check, and need not lead.
    `of_all`: all of them are wanted, not the first.
    """

    def __init__(
        self,
        view: View,
        predicate: Predicate,
        *,
        asked: Predicate | None = None,
        of_all: bool = False,
    ) -> None:
        self._view = view
        self._asked = asked
        self._leads = Leads(view)
        if view.sight.patient is not None:
            # The compartment's own posting list: a driver that is never longer than what may be seen.
            predicate = AllOf((HasTerm(compartment_term(view.sight.patient)), predicate))
        # An id needs no better lead.
        named = any(isinstance(each, HasId) for each in conjuncts(predicate))
        self._predicate = predicate if named else self._leads.expanded(predicate)
        driver = choose(self._predicate, self._leads.count, of_all=of_all)
        self._lead = driver.lead
        self._rest = Filter(view, driver.rest)

    def in_order(self, window: Window) -> Iterator[Place]:
        """Yield the places of the matches within a window, in its order."""
        scans = self._leads.in_order(self._lead)
        if scans is None:
            places = map(self._rest.passing, self._leads.scans(self._lead))
            yield from self._rest.kept(window.arranged(set(chain.from_iterable(places))))
            return
        for run in window.runs():
            streams = [self._rest.places(*_bounded(scan, run)) for scan in scans]
            if len(streams) == 1:
                yield from streams[0]
                continue
            merged = heapq.merge(*streams, reverse=run.descending)
            yield from (place for place, _ in groupby(merged))

    def first_rows(self, window: Window, limit: int) -> list[tuple[Any, ...]] | None:
        """Return the first matches with the columns of their rows, where one statement can tell them."""
        scans = self._leads.in_order(self._lead)
        if scans is None or len(scans) != 1 or not (self._rest.is_exact and window.descending):
            return None
        (run,) = window.runs()
        scan, order = _bounded(scans[0], run)
        return self._rest.rows(scan, order=order, limit=limit)

    def by_moment(self, after: int | None, *, descending: bool) -> Iterator[tuple[int, int]]:
        """Yield moment and rid of the matches, by the moment of their version."""
        ((_, condition),) = self._leads.scans(None)
        if after is not None:
            condition.add(f"r.moment {'<' if descending else '>'} ?", after)
        order = f" ORDER BY r.moment {'DESC' if descending else 'ASC'}"
        whole = Filter(self._view, tuple(conjuncts(self._asked or self._predicate)))
        records = whole.records((LISTED, condition), order=order)
        return ((moment, rid) for (_, rid), moment, _ in records)

    def by_term(self, key: SortKey) -> TermOrder:
        """Return the matches in the order of a term."""
        return TermOrder(self._view, tuple(conjuncts(self._asked or self._predicate)), key)

    def records(self) -> Iterator[tuple[int, int, IndexRecord]]:
        """Yield rid, moment and index record of each match once, in no order."""
        seen: set[int] = set()
        for scan in self._leads.scans(self._lead):
            for (_, rid), moment, record in self._rest.records(scan):
                if rid not in seen:
                    seen.add(rid)
                    yield rid, moment, record

    def count(self) -> int:
        """Return the number of matches."""
        scans = list(self._leads.scans(self._lead))
        if len(scans) == 1 and self._rest.is_exact and self._leads.in_order(self._lead):
            return self._rest.count(scans[0])
        return len({rid for _, rid in self._gathered()})

    def is_short(self, most: int) -> bool:
        """Tell whether the lead has fewer candidates than that."""
        return self._lead is not None and self._leads.count(self._lead, most) < most

    def _gathered(self) -> Iterator[Place]:
        return chain.from_iterable(map(self._rest.places, self._leads.scans(self._lead)))


def _bounded(scan: Scan, run: Run) -> tuple[Scan, str]:
    """Return a scan of a stretch, and the order that its index serves."""
    source, condition = scan
    bounded = condition.copy()
    order = run.bound(source, bounded)
    return (source, bounded), order
