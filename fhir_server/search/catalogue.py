"""The search parameters besides R4's, each with how far it is on its way to being searched by. Pure.

One value, which a store keeps as bytes. A parameter is indexed by from the moment that it is in the catalogue:
whatever is written then has it. What was there before is indexed anew type by type (`work`), and the parameter is
searched by once all of its types are done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from fhir_server.conformance.definitions import Additions, Definitions, SearchParameter

State: TypeAlias = Literal["backfilling", "enabled", "conflicting", "unused", "refused"]

EVERY_TYPE = "Resource"
"""What stands for a search of all types among the types of a parameter."""


class Entry(msgspec.Struct, frozen=True):
    """One parameter on one base; `source` is the resource or file that it comes from.

    `types` are those that it is indexed on; `reason` says why it is not, or not everywhere.
    """

    source: str
    url: str
    code: str
    base: str
    state: State
    definition: SearchParameter | None = None
    types: tuple[str, ...] = ()
    reason: str = ""

    @property
    def is_indexed(self) -> bool:
        """Tell whether resources are indexed by it."""
        return self.state in {"backfilling", "enabled"}


class Work(msgspec.Struct, frozen=True):
    """How far the resources of a type are indexed anew: those up to the id `reached`.

    `highest` is the surrogate id of the latest resource to look at, -1 where that is not known yet: not begun.
    """

    highest: int = -1
    reached: str = ""
    done: int = 0
    total: int = 0

    @property
    def percent(self) -> int:
        """How much of it is done; what is created meanwhile may make `done` the greater one."""
        return min(99, 100 * self.done // self.total) if self.total else 0


class Catalogue(msgspec.Struct, frozen=True):
    """All entries; `as_of` is the moment of the latest SearchParameter that they take into account.

    `holder` is the process that does the work, until a moment in microseconds.
    """

    as_of: int = -1
    entries: tuple[Entry, ...] = ()
    work: dict[str, Work] = {}
    holder: str = ""
    until: int = 0

    def additions(self) -> Additions:
        """Return the parameters that resources are indexed by."""
        return _by_type([each for each in self.entries if each.is_indexed])

    def searchable(self) -> Additions:
        """Return the parameters that are searched by."""
        return _by_type([each for each in self.entries if each.state == "enabled"])

    def withheld(self) -> Mapping[str, Mapping[str, str]]:
        """Return the state of each parameter that is not searched by yet, by type and code."""
        found: dict[str, dict[str, str]] = {}
        for each in self.entries:
            if each.state == "backfilling":
                told = f"{self.state_of(each)}, {self.percent_of(each)} percent done"
                for kind in each.types:
                    found.setdefault(kind, {})[each.code] = told
        return found

    def state_of(self, entry: Entry) -> str:
        """Return the state of an entry as it is shown: what is not begun is pending."""
        work = self._open_work(entry)
        if entry.state == "backfilling" and all(each.highest < 0 for each in work):
            return "pending"
        return entry.state

    def percent_of(self, entry: Entry) -> int:
        """Return how much of the work for an entry is done."""
        if entry.state != "backfilling":
            return 100 if entry.state == "enabled" else 0
        finished = sum(kind not in self.work for kind in entry.types)
        done = 100 * finished + sum(each.percent for each in self._open_work(entry))
        return done // len(entry.types)

    def _open_work(self, entry: Entry) -> list[Work]:
        return [self.work[kind] for kind in entry.types if kind in self.work]

    def held(self, holder: str, until: int) -> Catalogue:
        """Return it with the work in the hands of a process."""
        return msgspec.structs.replace(self, holder=holder, until=until)

    def reached(self, kind: str, work: Work) -> Catalogue:
        """Return it with a part of the work on a type done."""
        return msgspec.structs.replace(self, work={**self.work, kind: work})

    def finished(self, kinds: Sequence[str]) -> Catalogue:
        """Return it with the work on some types done, and what waited for that enabled."""
        work = {kind: each for kind, each in self.work.items() if kind not in kinds}
        entries = tuple(
            msgspec.structs.replace(each, state="enabled")
            if each.state == "backfilling" and work.keys().isdisjoint(each.types)
            else each
            for each in self.entries
        )
        return msgspec.structs.replace(self, work=work, entries=entries)

    def is_awaited(self, kind: str) -> bool:
        """Tell whether a parameter waits for the work on a type."""
        return any(each.state == "backfilling" and kind in each.types for each in self.entries)

    def failed(self, kind: str, reason: str) -> Catalogue:
        """Return it with what waits for a type refused: it cannot be indexed by all of these."""
        entries = tuple(
            msgspec.structs.replace(each, state="refused", reason=reason)
            if each.state == "backfilling" and kind in each.types
            else each
            for each in self.entries
        )
        after = msgspec.structs.replace(self, entries=entries)
        return msgspec.structs.replace(after, work=renewed_work(self, after))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Catalogue).decode


def packed(catalogue: Catalogue) -> bytes:
    """Return a catalogue as stores keep it."""
    return _encode(catalogue)


def unpacked(content: bytes) -> Catalogue:
    """Return a catalogue that `packed` made; of nothing an empty one."""
    return _decode(content) if content else Catalogue()


def indexes_alike(one: Catalogue, other: Catalogue) -> bool:
    """Tell whether index records made by either are the same: they are of one generation."""
    return one.additions() == other.additions()


def renewed_work(before: Catalogue, after: Catalogue) -> dict[str, Work]:
    """Return the work that is to be done: of types whose parameters changed all of it, else what was left."""
    old, new = before.additions(), after.additions()
    changed = {kind for kind in old.keys() | new.keys() if old.get(kind) != new.get(kind)}
    changed.discard(EVERY_TYPE)
    return {**before.work, **{kind: Work() for kind in sorted(changed)}}


def definitions_by(
    catalogue: Catalogue, definitions: Definitions
) -> tuple[Definitions, Definitions]:
    """Return what is searched by, and what is indexed by."""
    return (
        definitions.extended_by(catalogue.searchable(), catalogue.withheld()),
        definitions.extended_by(catalogue.additions()),
    )


def _by_type(entries: Sequence[Entry]) -> Additions:
    found: dict[str, dict[str, SearchParameter]] = {}
    for each in entries:
        assert each.definition is not None, "what is indexed has a definition"
        for kind in each.types:
            found.setdefault(kind, {})[each.code] = each.definition
    return found
