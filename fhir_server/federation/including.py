"""Which of what members included the search itself leads to, from the matches that are shown. Pure.

Where some matches were left out, a tie of another kind will not do: that something came along would tell of them.
https://hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fhir_server.federation.answers import Match
from fhir_server.fhir.json import parse
from fhir_server.search.expression import Include
from fhir_server.search.indexing import Extractor
from fhir_server.search.query import Query

DEEPEST = 5
"""How many steps away from a match an included resource may be, as at a node."""

_REFERENCE = re.compile(r"([\w-]+)>([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})\Z")


@dataclass(frozen=True, slots=True)
class _Resource:
    """A resource by its address, with what it refers to: code of the parameter, and address."""

    match: Match
    refers: tuple[tuple[str, str], ...]

    @property
    def address(self) -> str:
        """Type and id."""
        return f"{self.match.type}/{self.match.id}"

    def leads_to(self, other: _Resource, includes: Iterable[Include]) -> bool:
        """Tell whether one of these includes leads from this to another."""
        codes = [code for code, address in self.refers if address == other.address]
        return any(
            each.source in {"*", self.match.type}
            and each.target in {None, other.match.type}
            and (each.parameter == "*" or each.parameter in codes)
            for each in includes
            if codes
        )


def led_to(
    shown: Sequence[Match], included: Sequence[Match], query: Query, extractor: Extractor
) -> list[Match]:
    """Return the included that `_include` and `_revinclude` lead to; references by canonical URL lead nowhere here."""
    frontier = [_read(each, extractor) for each in shown]
    left = {each.full_url: _read(each, extractor) for each in included}
    forward, backward, found = query.includes, query.revincludes, list[Match]()
    for _ in range(DEEPEST):
        fresh = [
            each
            for each in left.values()
            if any(one.leads_to(each, forward) or each.leads_to(one, backward) for one in frontier)
        ]
        found += [each.match for each in fresh]
        left = {url: each for url, each in left.items() if each not in fresh}
        forward = tuple(each for each in forward if each.iterate)
        backward = tuple(each for each in backward if each.iterate)
        frontier = fresh
    return found


def _read(match: Match, extractor: Extractor) -> _Resource:
    record = extractor.extract(parse(match.resource))
    links = filter(None, map(_REFERENCE.match, record.terms))
    return _Resource(match, tuple((each[1], f"{each[2]}/{each[3]}") for each in links))
