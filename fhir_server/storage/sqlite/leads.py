"""Where the candidates of a leading predicate are found: posting lists, spans, or the list of the type."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

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
)
from fhir_server.search.planning import PROBE, span_scans
from fhir_server.search.record import is_posted, prefix_end
from fhir_server.storage.sqlite.filtering import Scan
from fhir_server.storage.sqlite.index import axis_key
from fhir_server.storage.sqlite.translation import (
    LISTED,
    POSTING,
    SPAN,
    WORDED,
    Condition,
    add_limits,
)
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.words import COUNT_WORDS, LIST, listed, match_text

REMEMBERED = 10_000
"""Broad terms that a connection remembers."""

MERGED = 8
"""How many posting lists are merged in order; more are gathered and sorted."""

ENDS = {"low": "g.low", "high": "g.high"}


COUNT_TERM = "SELECT count(*) FROM (SELECT 1 FROM term WHERE term=? LIMIT ?)"


class Leads:
    """The leads of one type."""

    def __init__(self, view: View) -> None:
        self._view = view

    def in_order(self, lead: Predicate | None) -> list[Scan] | None:
        """Return the few scans that each are in page order; None where candidates must be gathered."""
        match lead:
            case None:
                return [self._of_type()]
            case HasTerm(term):
                return [self._posting(term)]
            case HasAnyTerm(terms) if len(set(terms)) <= MERGED:
                return [self._posting(each) for each in dict.fromkeys(terms)]
            case _:
                return None

    def scans(self, lead: Predicate | None) -> Iterator[Scan]:
        """Yield the scans that find all candidates of a lead, in no order."""
        match lead:
            case None:
                yield self._of_type()
            case HasTerm(term):
                yield self._posting(term)
            case HasAnyTerm(terms):
                yield from (self._posting(each) for each in dict.fromkeys(terms))
            case HasTermBetween(low, high):
                yield (
                    POSTING,
                    _condition("t.term>=? AND t.term<?", self._view.key(low), self._view.key(high)),
                )
            case HasTermContaining(prefix, text):
                low = self._view.key(prefix)
                condition = _condition("t.term>=? AND t.term<?", low, prefix_end(low))
                condition.add(f"instr(substr(t.term, {len(low) + 1}), ?)>0", text)
                yield POSTING, condition
            case HasRange():
                yield from self._spans(lead)
            case HasWords():
                yield from self._words(lead)
            case HasId(()):
                return
            case HasId(ids):
                condition = _condition("r.type=? AND r.deleted=0", self._view.kind)
                condition.add(f"r.id IN ({','.join('?' * len(ids))})", *ids)
                yield LISTED, condition
            case _:
                message = f"{type(lead).__name__} leads no search"
                raise TypeError(message)

    def count(self, lead: Predicate, most: int) -> int:
        """Count candidates, up to a limit; what the caller may not see is counted too."""
        if isinstance(lead, HasTerm):
            return self._count_term(self._view.key(lead.term), most)
        if isinstance(lead, HasWords):
            return self._count_words(lead, most)
        number = 0
        for source, condition in self.scans(lead):
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
        if key in self._view.broad:
            return most
        number: int = self._view.connection.execute(COUNT_TERM, (key, most)).get
        if number >= PROBE:
            if len(self._view.broad) >= REMEMBERED:
                self._view.broad.clear()
            self._view.broad.add(key)
        return number

    def expanded(self, predicate: Predicate) -> Predicate:
        """Write a range of terms as the few terms that exist in it: those are in page order."""
        match predicate:
            case HasTermBetween(low, high) if is_posted(low):
                terms = tuple(islice(self._terms_between(low, high), MERGED + 1))
                return predicate if len(terms) > MERGED else HasAnyTerm(terms)
            case Not(inner):
                return Not(self.expanded(inner))
            case AllOf(parts):
                return AllOf(tuple(map(self.expanded, parts)))
            case AnyOf(parts):
                return AnyOf(tuple(map(self.expanded, parts)))
            case _:
                return predicate

    def _terms_between(self, low: str, high: str) -> Iterator[str]:
        """Yield the distinct terms of a range, by one seek for each."""
        own = len(self._view.kind) + 1
        latest, end, comparison = self._view.key(low), self._view.key(high), ">="
        while True:
            latest = self._view.connection.execute(
                f"SELECT min(term) FROM term WHERE term{comparison}? AND term<?",  # noqa: S608 - constants
                (latest, end),
            ).get
            if latest is None:
                return
            yield latest[own:]
            comparison = ">"

    def _of_type(self) -> Scan:
        return LISTED, _condition("r.type=? AND r.deleted=0", self._view.kind)

    def _posting(self, term: str) -> Scan:
        return POSTING, _condition("t.term=?", self._view.key(term))

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

    def _spans(self, lead: HasRange) -> Iterator[Scan]:
        for scan in span_scans(lead):
            condition = _condition("g.axis=?", axis_key(self._view.kind, lead.axis, scan.span))
            add_limits(scan.limits, ENDS, condition)
            yield SPAN, condition


def _condition(text: str, *values: int | str) -> Condition:
    condition = Condition()
    condition.add(text, *values)
    return condition
