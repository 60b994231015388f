"""What a member is asked in the place of a chain that leads to other members. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from fhir_server.search.query import Query

Pair: TypeAlias = tuple[str, str]
Pairs: TypeAlias = tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """A chain as it was asked, and what is asked in turns in its place: nothing, where it led nowhere.

    `lacking` says what is missing from what it led through.
    """

    chain: Pair
    turns: tuple[Pair, ...]
    lacking: str = ""

    def rest(self, query: Query) -> Query:
        """Return the query without the chain."""
        left = tuple(each for each in query.applied if each != self.chain)
        return replace(query, applied=left)
