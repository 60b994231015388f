"""The matches of one type: a lead's candidates, each checked for all the rest, in page order or in none."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, groupby

from fhir_server.search.expression import AllOf, HasId, Predicate
from fhir_server.search.planning import choose, conjuncts
from fhir_server.search.record import IndexRecord
from fhir_server.storage.sqlite.budget import held
from fhir_server.storage.sqlite.filtering import Filter, Scan
from fhir_server.storage.sqlite.leads import Leads
from fhir_server.storage.sqlite.pages import PageStatement
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
        self.view = view
        self._leads = Leads(view)
        self._asked = asked
        if view.bound:
            predicate = AllOf((*view.bound, predicate))
        # An id needs no better lead.
        named = any(isinstance(each, HasId) for each in conjuncts(predicate))
        self._predicate = predicate if named else self._leads.expanded(predicate)
        self._is_lasting = named or self._predicate == predicate
        self.driver = choose(view.kind, self._predicate, self._leads.count, of_all=of_all)
        self._lead = self.driver.lead
        self._rest = Filter(view, self.driver.rest, one_by_one=named)

    def in_order(self, window: Window) -> Iterator[Place]:
        """Yield the places of the matches within a window, in its order."""
        scans = self._leads.in_order(self._lead)
        if scans is None:
            places = map(self._rest.passing, self._leads.scans(self._lead))
            yield from self._rest.kept(window.arranged(held(chain.from_iterable(places))))
            return
        for run in window.runs():
            streams = [self._rest.places(*_bounded(scan, run)) for scan in scans]
            if len(streams) == 1:
                yield from streams[0]
                continue
            merged = heapq.merge(*streams, reverse=run.descending)
            yield from (place for place, _ in groupby(merged))

    def page(self, window: Window, limit: int, *, records: bool) -> PageStatement | None:
        """Return the statement of a page, where one can tell it."""
        scans = self._leads.in_order(self._lead)
        if scans is None or len(scans) != 1 or not (self._rest.is_exact and window.descending):
            return None
        (run,) = window.runs()
        return self._rest.page(scans[0], run, limit, records=records)

    @property
    def is_lasting(self) -> bool:
        """Tell whether nothing that was written out holds for now alone."""
        return self._is_lasting

    @property
    def is_chosen(self) -> bool:
        """Tell whether candidates were counted to choose what leads."""
        return self._leads.counted

    def checked(self, rids: Sequence[int]) -> dict[int, tuple[int, IndexRecord]]:
        """Return moment and index record of those of these resources that match."""
        found = self._whole.among(rids)
        return {rid: (moment, record) for (_, rid), moment, record in found}

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
        # One list has each match once.
        scans = self._leads.in_order(self._lead)
        if scans is not None and len(scans) == 1 and self._rest.is_exact:
            return self._rest.count(scans[0])
        return len(held(rid for _, rid in self._gathered()))

    def number(self, most: int) -> int | None:
        """Return how many candidates the lead has; None without a lead, or if there are so many."""
        if self._lead is None:
            return None
        found = self._leads.count(self._lead, most)
        return found if found < most else None

    def narrowed(self, predicate: Predicate) -> Candidates:
        """Return those that satisfy one more predicate, which may lead."""
        asked = None if self._asked is None else AllOf((predicate, self._asked))
        return Candidates(self.view, AllOf((predicate, self._predicate)), asked=asked)

    def counted(self, lead: Predicate, most: int) -> int:
        """Count the candidates of what could lead, up to a limit."""
        return self._leads.count(lead, most)

    @cached_property
    def required(self) -> tuple[Predicate, ...]:
        """What a resource must satisfy that no lead has found."""
        return tuple(conjuncts(self._asked or self._predicate))

    @cached_property
    def _whole(self) -> Filter:
        return Filter(self.view, self.required, one_by_one=True)

    def _gathered(self) -> Iterator[Place]:
        return chain.from_iterable(map(self._rest.places, self._leads.scans(self._lead)))


def _bounded(scan: Scan, run: Run) -> tuple[Scan, str]:
    """Return a scan of a stretch, and the order that its index serves."""
    source, condition = scan
    bounded = condition.copy()
    order = run.bound(source, bounded)
    return (source, bounded), order
