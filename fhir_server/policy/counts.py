"""Numbers of people for other uses than care: which may be asked for, and how exactly they are told. Pure.

Small numbers are withheld and the others rounded, as NHS publications do it
(https://digital.nhs.uk/data-and-information/publications/statistical/hospital-admitted-patient-care-activity).
None is withheld like a few: of criteria that fit one person, it would tell about that person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasRange,
    HasTerm,
    HasTermBetween,
    IsPresent,
    Not,
    Plan,
    PointedToBy,
    PointsTo,
    Predicate,
)

_TERM = re.compile(r"([\w-]+)(.)([A-Za-z]*)")
_CODED = frozenset("=~:")


class Counts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers below `below` are withheld, the others rounded to the `nearest`; `criteria` are search parameters.

    What tells people apart (names, identifiers, addresses, text) is none of them.
    """

    below: int
    nearest: int
    criteria: frozenset[str]

    def told(self, number: int) -> int | None:
        """Return a number as it is told, None where it is withheld."""
        if number < self.below:
            return None
        return (number + self.nearest // 2) // self.nearest * self.nearest

    def refused(self, plan: Plan, concern_nobody: frozenset[str]) -> str | None:
        """Return the first criterion of a plan that could single people out, None where all are fit to be counted by."""
        for predicate in (plan.predicate, *(each for _, each in plan.placed)):
            for problem in self._refused(predicate, concern_nobody):
                return problem
        return None

    def _refused(self, predicate: Predicate, nobody: frozenset[str]) -> Iterable[str]:
        match predicate:
            case AllOf(parts) | AnyOf(parts):
                return (found for each in parts for found in self._refused(each, nobody))
            case Not(inner) | PointsTo(predicate=inner) | PointedToBy(predicate=inner):
                return self._refused(inner, nobody)
            case HasTerm(term):
                return self._refused_terms((term,), nobody)
            case HasTermBetween(low, high):
                # A code of any system: both ends begin like the terms between them.
                return self._refused_terms((low, high), nobody)
            case HasAnyTerm(terms):
                return self._refused_terms(terms, nobody)
            case HasRange(axis):
                return self._unless_known(re.split(r"[^\w-]", axis)[0])
            case IsPresent(parameter):
                return self._unless_known(parameter)
            case _:
                return (type(predicate).__name__,)

    def _refused_terms(self, terms: Iterable[str], nobody: frozenset[str]) -> Iterable[str]:
        for term in terms:
            found = _TERM.match(term)
            if found is None:
                yield "this"
                continue
            code, marker, kind = found.groups()
            if marker not in _CODED and not (marker == ">" and kind in nobody):
                yield code
            yield from self._unless_known(code)

    def _unless_known(self, code: str) -> Iterable[str]:
        return () if code in self.criteria else (code,)


def read_counts(content: bytes) -> Counts:
    """Return the rules that a file describes; raise ValueError for ones that would tell of single people."""
    read = msgspec.json.decode(content, type=Counts)
    if read.below < read.nearest or read.nearest < 1:
        raise ValueError("what is told has to be rounded, and no number may be rounded to none")
    return read
