"""What a store tells of how it answers a search."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.search.expression import Predicate


@dataclass(frozen=True, slots=True)
class Lead:
    """What could lead a search on a type, and how many candidates it has; not `exact`: at least so many."""

    predicate: Predicate
    candidates: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Access:
    """How the matches of one type are found: `lead` None: by the list of the type.

    `in_index` is checked by the store's statements, `on_record` on the index records of what is left.
    """

    type: str
    lead: Predicate | None
    considered: tuple[Lead, ...]
    in_index: tuple[Predicate, ...]
    on_record: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of the store's, without its values; `way` is how the store's engine runs it."""

    text: str
    way: tuple[str, ...]
    runs: int
    steps: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one page of a search is answered; `refusal` says why there is none."""

    accesses: tuple[Access, ...]
    statements: tuple[Statement, ...]
    matches: int
    rows_read: int
    milliseconds: float
    refusal: str | None
