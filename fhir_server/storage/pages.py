"""What reads of a store give: rows, pages, versions, counts, changes; and what of it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from fhir_server.fhir.resource import Key, Stored
from fhir_server.search.record import IndexRecord, unpacked
from fhir_server.storage.parameters import Stamp

Position: TypeAlias = tuple[int | str | None, ...]
"""Where a page ended: the sort keys of its last row, its primary date and its surrogate id."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """One found resource: flat, and of values alone, since a page makes up to a thousand.

    `packed_record` is its index record as it is kept, None where rows were asked for without.
    `inside` is the place, among those it contains, of the one that is the match; None: the match is the resource.
    """

    type: str
    id: str
    version: int
    moment: int
    method: str
    body: bytes
    packed_record: bytes | None = None
    inside: int | None = None

    @property
    def key(self) -> Key:
        """The address of the resource."""
        return Key(self.type, self.id)

    @property
    def stored(self) -> Stored:
        """The version that was found."""
        return Stored(self.key, self.version, self.moment, self.method, self.body)

    @property
    def record(self) -> IndexRecord:
        """The index record."""
        assert self.packed_record is not None, "the rows were asked for without records"
        return unpacked(self.packed_record)


class Page(msgspec.Struct, frozen=True):
    """Rows in order; `next` is where the following page starts, None at the end.

    `stamp` is what `Store.stamp` gave, no earlier than the rows were read; None: it is to be asked for.
    """

    rows: tuple[Row, ...]
    next: Position | None
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Versions, the newest first; `next` is where the following page starts, None at the end."""

    versions: tuple[Stored, ...]
    next: Position | None


@dataclass(frozen=True, slots=True)
class HistoryScope:
    """The history of one resource, of one type, or (neither given) of the system.

    `since` and `until` bound the moments in microseconds: since <= moment <= until.
    """

    type: str | None = None
    id: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many resources match; not `exact`: at least that many."""

    number: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the change feed; `token` orders the feed and resumes it."""

    token: int
    key: Key
    version: int
    moment: int
    deleted: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A range of surrogate ids, low <= rid < high, of one type or of all."""

    type: str | None
    low: int
    high: int
