"""The matches of one type: a lead's candidates, each checked for all the rest, in page order or in none."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, groupby

from fhir_server.search.bounds import EVER, Between
from fhir_server.search.expression import AllOf, HasAnyTerm, HasId, HasTerm, Predicate
from fhir_server.search.planning import choose, conjuncts
from fhir_server.search.record import IndexRecord
from fhir_server.storage.sqlite.beginnings import GoingOn, going_on
from fhir_server.storage.sqlite.budget import held
from fhir_server.storage.sqlite.filtering import Filter, Scan
from fhir_server.storage.sqlite.leads import Leads
from fhir_server.storage.sqlite.pages import PageStatement
from fhir_server.storage.sqlite.translation import POSTING, SPAN
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.windows import Place, Run, Window, falling

LONG = 200
"""Lists with fewer candidates are read from end to end: to ask where the first begins costs as much as a few dozen."""

MANY = 400
"""Fewer candidates that no index has in order are read at once; of more a sample tells how far a page goes."""

DATED = (POSTING, SPAN)
"""The indexes whose rows tell the primary date."""


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
        self._is_named = named
        self._rest = self._filter()

    def in_order(self, window: Window) -> Iterator[Place]:
        """Yield the places of the matches within a window, in its order."""
        scans = self._leads.in_order(self._lead)
        if scans is None:
            yield from self._arranged(window)
            return
        for run in window.runs():
            for rest in self._stretches(descending=run.descending):
                yield from _merged([rest.places(scan, run) for scan in scans], run)

    def _arranged(self, window: Window) -> Iterator[Place]:
        """Yield the same where no index has the candidates in order: many of them stretch by stretch."""
        scans = list(self._leads.scans(self._lead))
        for between in self._falling(scans, window):
            places = (self._rest.passing(each, between) for each in scans)
            yield from self._rest.kept(window.arranged(held(chain.from_iterable(places))))

    def _falling(self, scans: Sequence[Scan], window: Window) -> Iterator[Between]:
        is_told = all(source in DATED for source, _ in scans)
        if not (window.descending and is_told) or self.number(MANY) is not None:
            return iter((EVER,))
        latest = None if window.after is None else window.after[0]
        return falling(chain.from_iterable(map(self._rest.sample, scans)), latest)

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
        for rest, scan in self._scans():
            for (_, rid), moment, record in rest.records(scan):
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
        return chain.from_iterable(rest.places(scan) for rest, scan in self._scans())

    def _scans(self) -> Iterator[tuple[Filter, Scan]]:
        for rest in self._stretches():
            for scan in self._leads.scans(self._lead):
                yield rest, scan

    def _stretches(self, *, descending: bool = True) -> Iterator[Filter]:
        """Yield what is checked in each stretch of the lead's lists, as they are read one after the other."""
        if self._going_on is None:
            yield self._rest
        elif descending:
            yield from self._later
            yield from self._earlier
        else:
            yield from self._earlier
            yield from self._later

    @cached_property
    def _going_on(self) -> GoingOn | None:
        """What says where matches end, and not where they begin; None where lists need no stretches for it."""
        found = going_on(self.driver.rest)
        is_listed = isinstance(self._lead, HasTerm | HasAnyTerm | None)
        return found if found and is_listed and self.number(LONG) is None else None

    @cached_property
    def _later(self) -> tuple[Filter, ...]:
        return () if self._going_on is None else (self._filter(self._going_on.later),)

    @cached_property
    def _earlier(self) -> tuple[Filter, ...]:
        """What is checked of those that begin before the date: looked for once a page comes to them."""
        between = None if self._going_on is None else self._going_on.earlier(self.view)
        return () if between is None else (self._filter(between),)

    def _filter(self, between: Between = EVER) -> Filter:
        return Filter(self.view, self.driver.rest, one_by_one=self._is_named, between=between)


def _merged(streams: Sequence[Iterator[Place]], run: Run) -> Iterator[Place]:
    """Yield places once, in the order that all the streams have."""
    if len(streams) == 1:
        return streams[0]
    merged = heapq.merge(*streams, reverse=run.descending)
    return (place for place, _ in groupby(merged))
