"""What a member is asked in the place of criteria that lead to other members. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from fhir_server.search.query import Query

Pair: TypeAlias = tuple[str, str]
Pairs: TypeAlias = tuple[Pair, ...]

MOST = 500
"""Identifiers that a member is asked for; what is more is cut, and told."""

TOGETHER = 50
"""Identifiers in one request."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Criteria as they were asked, and what is asked in turns in their place: nothing, where they led nowhere.

    `lacking` says what is missing from what they led through, `persons_as_of` (us) as of when it is known who knows those.
    """

    criteria: Pairs
    turns: tuple[Pairs, ...]
    lacking: str = ""
    persons_as_of: int | None = None

    def rest(self, query: Query) -> Query:
        """Return the query without these criteria."""
        left = tuple(each for each in query.applied if each not in self.criteria)
        return replace(query, applied=left)


def in_turns(name: str, values: Sequence[str]) -> tuple[Pairs, ...]:
    """Return the requests for any of these values of a parameter, as many as are asked for."""
    asked = values[:MOST]
    places = range(0, len(asked), TOGETHER)
    return tuple(((name, ",".join(asked[place : place + TOGETHER])),) for place in places)
