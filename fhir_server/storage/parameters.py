"""What a store keeps of the search parameters that it is indexed by, and how these are changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fhir_server.fhir.resource import Key
from fhir_server.search.record import IndexRecord


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Which search parameters the store is indexed by: `content` is for the layers above.

    `revision` rises with each replacement; `generation` names what index records are made by.
    """

    revision: int = 0
    generation: int = 0
    content: bytes = b""


class Stamp(NamedTuple):
    """What tells whether a catalogue that was read is still the current one.

    `latest` is the moment of the latest write of a SearchParameter, 0 where there was none.
    """

    revision: int
    generation: int
    latest: int


@dataclass(frozen=True, slots=True)
class Extent:
    """How many resources of a type there are, and the highest surrogate id in the store."""

    count: int
    highest: int


@dataclass(frozen=True, slots=True)
class Reindex:
    """Replace the index record of a version, if it still is the current one; content and version stay."""

    key: Key
    version: int
    record: IndexRecord
    generation: int


@dataclass(frozen=True, slots=True)
class ReplaceCatalogue:
    """Put another catalogue in place of the one of revision `expected`; else it is refused.

    `generation` differs from the current one if index records are made by other parameters from now on.
    """

    expected: int
    generation: int
    content: bytes
