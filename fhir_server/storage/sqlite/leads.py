"""Where the candidates of a leading predicate are found: posting lists, spans, or the list of the type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

from fhir_server.search.conversion import limits_on
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    HasWords,
    Not,
    Predicate,
    Updated,
)
from fhir_server.search.parameter_types.criterion import any_of
from fhir_server.search.planning import PROBE, spans_of, tightened
from fhir_server.search.record import is_family, is_posted, prefix_end
from fhir_server.storage.sqlite.filtering import Scan
from fhir_server.storage.sqlite.index import axis_key
from fhir_server.storage.sqlite.snapshot import begin
from fhir_server.storage.sqlite.translation import (
    LISTED,
    POSTING,
    SPAN,
    WORDED,
    Condition,
    add_limits,
    among,
)
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.words import COUNT_WORDS, LIST, listed, match_text

REMEMBERED = 10_000
"""Broad terms that a connection remembers."""

MERGED = 8
"""So many posting lists are merged in order, whatever they hold; few candidates of more are gathered and sorted."""

MOST_MERGED = 1_000
"""How many posting lists are merged at all: each is an open statement."""

TABLES = {"term": "term", "axis": "span"}
ENDS = {"low": "g.low", "high": "g.high"}


COUNT_TERM = "SELECT count(*) FROM (SELECT 1 FROM term WHERE term=? LIMIT ?)"


class Leads:
    """The leads of one type; `counted` tells whether any of them was."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.counted = False

    def in_order(self, lead: Predicate | None) -> list[Scan] | None:
        """Return the few scans that each are in page order; None where candidates must be gathered."""
        match lead:
            case None:
                return [self._of_type()]
            case HasTerm(term):
                return [self.posting(term)]
            case HasAnyTerm(terms) if self._is_merged(lead, len(set(terms))):
                return [self.posting(each) for each in dict.fromkeys(terms)]
            case _:
                return None

    def _is_merged(self, lead: HasAnyTerm, number: int) -> bool:
        """Tell whether to merge so many lists: it takes a statement for each, and no more of them than a page shows."""
        if MERGED < number <= MOST_MERGED:
            return self.count(lead, PROBE) >= PROBE
        return number <= MERGED

    def scans(  # noqa: C901 - one branch per case of the union
        self, lead: Predicate | None
    ) -> Iterator[Scan]:
        """Yield the scans that find all candidates of a lead, in no order."""
        match lead:
            case None:
                yield self._of_type()
            case HasTerm(term):
                yield self.posting(term)
            case HasAnyTerm(terms):
                yield from self._postings(tuple(dict.fromkeys(terms)))
            case HasTermBetween() | HasTermContaining():
                yield POSTING, self._terms(lead)
            case HasRange():
                yield from self._spans(lead)
            case AnyOf(parts):
                for each in parts:
                    yield from self.scans(each)
            case Updated():
                condition = self._updated(lead)
                condition.add("r.deleted=0")
                yield LISTED, condition
            case HasWords():
                yield from self._words(lead)
            case HasId(()):
                return
            case HasId(ids):
                # The plus keeps SQLite from reading the whole list of the type instead of the ids.
                condition = _condition("r.type=? AND +r.deleted=0", self._view.kind)
                among("r.id", ids, condition)
                yield LISTED, condition
            case _:
                message = f"{type(lead).__name__} leads no search"
                raise TypeError(message)

    def _terms(self, lead: HasTermBetween | HasTermContaining) -> Condition:
        if isinstance(lead, HasTermBetween):
            low, high = self._view.key(lead.low), self._view.key(lead.high)
            return _condition("t.term>=? AND t.term<?", low, high)
        low = self._view.key(lead.prefix)
        condition = _condition("t.term>=? AND t.term<?", low, prefix_end(low))
        rest = f"substr(t.term, {len(low) + 1})"
        if lead.at_end:
            condition.add(f"substr({rest}, {-len(lead.text)})=?", lead.text)
        else:
            condition.add(f"instr({rest}, ?)>0", lead.text)
        return condition

    def count(self, lead: Predicate, most: int) -> int:
        """Count candidates, up to a limit; what the caller may not see is counted too."""
        self.counted = True
        match lead:
            case HasTerm(term):
                return self._count_term(self._view.key(term), most)
            case HasAnyTerm(terms) if len(terms) <= MERGED:
                return self._count_each(map(HasTerm, dict.fromkeys(terms)), most)
            case AnyOf(parts):
                return self._count_each(parts, most)
            case HasWords():
                return self._count_words(lead, most)
            case HasId(ids):
                return min(len(ids), most)
            case Updated():
                # Deletions are counted too where the index does not tell them: a row for each would cost more.
                return self._count_rows([(LISTED, self._updated(lead))], most)
            case _:
                return self._count_rows(self.scans(lead), most)

    def _count_each(self, leads: Iterable[Predicate], most: int) -> int:
        number = 0
        for each in leads:
            number += self.count(each, most - number)
            if number >= most:
                break
        return number

    def _count_rows(self, scans: Iterable[Scan], most: int) -> int:
        number = 0
        for source, condition in scans:
            number += self._view.connection.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM {source.table}"  # noqa: S608 - constants
                f" WHERE {condition.text} LIMIT ?)",
                (*condition.values, most - number),
            ).get
            if number >= most:
                break
        return number

    def _count_words(self, lead: HasWords, most: int) -> int:
        number = len(self._view.words.fresh(lead))
        if self._view.words.is_indexed:
            values = match_text(self._view.kind, lead), most
            number += self._view.connection.execute(COUNT_WORDS, values).get
        return min(number, most)

    def _count_term(self, key: str, most: int) -> int:
        counted, known = self._view.broad.get(key, (0, 0))
        if counted >= most:
            return min(known, most)
        number: int = self._view.connection.execute(COUNT_TERM, (key, most)).get
        if number >= PROBE:
            if len(self._view.broad) >= REMEMBERED:
                self._view.broad.clear()
            self._view.broad[key] = most, number
        return number

    def expanded(self, predicate: Predicate) -> Predicate:
        """Write a range of terms as the few terms that exist in it: those are in page order."""
        match predicate:
            case HasTermBetween(low, high) if is_posted(low):
                # They are all there are at one moment, that of the search.
                begin(self._view.connection)
                terms = tuple(islice(self.terms_between(low, high), MERGED + 1))
                return predicate if len(terms) > MERGED else HasAnyTerm(terms)
            case Not(inner):
                return Not(self.expanded(inner))
            case AllOf(parts):
                return AllOf(tuple(map(self.expanded, parts)))
            case AnyOf(parts):
                return any_of(map(self.expanded, parts))
            case _:
                return predicate

    def terms_between(self, low: str, high: str) -> Iterator[str]:
        """Yield the distinct terms of a range, by one seek for each."""
        own = len(self._view.kind) + 1
        keys = self._distinct("term", self._view.key(low), self._view.key(high))
        return (each[own:] for each in keys)

    def _distinct(self, name: Literal["term", "axis"], low: str, high: str) -> Iterator[str]:
        """Yield the distinct keys of the term table, or the span table, by one seek for each."""
        latest, comparison, table = low, ">=", TABLES[name]
        while True:
            latest = self._view.connection.execute(
                f"SELECT min({name}) FROM {table} WHERE {name}{comparison}? AND {name}<?",  # noqa: S608 - constants
                (latest, high),
            ).get
            if latest is None:
                return
            yield latest
            comparison = ">"

    def _of_type(self) -> Scan:
        return LISTED, _condition("r.type=? AND r.deleted=0", self._view.kind)

    def posting(self, term: str) -> Scan:
        """Return the posting list of a term: it is in page order."""
        return POSTING, _condition("t.term=?", self._view.key(term))

    def _updated(self, lead: Updated) -> Condition:
        condition = _condition("r.type=?", self._view.kind)
        add_limits(lead.limits, {"low": "r.moment", "high": "r.moment"}, condition)
        return condition

    def _words(self, lead: HasWords) -> Iterator[Scan]:
        found = self._view.words
        if found.is_indexed:
            condition = _condition("words MATCH ?", match_text(self._view.kind, lead))
            condition.add(f"words.rowid NOT IN ({LIST})", listed(found.unknown))
            yield WORDED, condition
        if fresh := found.fresh(lead):
            source, condition = self._of_type()
            condition.add(f"r.rid IN ({LIST})", listed(fresh))
            yield source, condition

    def _postings(self, terms: Sequence[str]) -> Iterator[Scan]:
        """Yield one scan for each of a few terms, one for all of many."""
        if len(terms) <= MERGED:
            yield from map(self.posting, terms)
            return
        condition = Condition()
        among("t.term", [self._view.key(each) for each in terms], condition)
        yield POSTING, condition

    def _spans(self, lead: HasRange) -> Iterator[Scan]:
        for axis, span in self._axes(lead):
            limits = limits_on(axis, lead)
            if limits is None:
                continue
            condition = _condition("g.axis=?", axis_key(self._view.kind, axis, span))
            add_limits(tightened(limits, span), ENDS, condition)
            yield SPAN, condition

    def _axes(self, lead: HasRange) -> Iterator[tuple[str, int]]:
        """Yield the axes of a lead with their span classes."""
        if is_family(lead.axis):
            return self.axes_of(lead.axis)
        return ((lead.axis, span) for span in spans_of(lead.limits))

    def axes_of(self, family: str) -> Iterator[tuple[str, int]]:
        """Yield the axes of a family that exist, with their span classes."""
        first = self._view.key(family)
        own = len(self._view.kind) + 1
        for key in self._distinct("axis", first, prefix_end(first)):
            axis, _, span = key[own:].rpartition(".")
            yield axis, int(span)


def _condition(text: str, *values: int | str) -> Condition:
    condition = Condition()
    condition.add(text, *values)
    return condition
