"""What a member is asked in the place of a chain that leads to other members. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fhir_server.search.query import Query

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Joined:
    """A chain as it was asked, and what is asked in turns in its place: nothing, where it led nowhere.

    `lacking` says what is missing from what it led through, `persons_as_of` (us) as of when it is known who knows those.
    """

    chain: Pair
    turns: tuple[Pair, ...]
    lacking: str = ""
    persons_as_of: int | None = None

    def rest(self, query: Query) -> Query:
        """Return the query without the chain."""
        left = tuple(each for each in query.applied if each != self.chain)
        return replace(query, applied=left)
