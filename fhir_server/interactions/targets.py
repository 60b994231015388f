"""Which resources the entries of a transaction are about, once their criteria are looked up.

The entries take effect in the order DELETE, POST, PUT and PATCH, whatever their order in the Bundle, so what
a DELETE removes matches no later criteria: https://hl7.org/fhir/R4/http.html#trules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.resource import Key, Stored
from fhir_server.interactions.call import Call
from fhir_server.interactions.criteria import (
    key_to_update,
    only_match,
    version_of_nothing,
)
from fhir_server.interactions.entries import (
    Creation,
    Entry,
    Modification,
    ReadEntry,
    Removal,
    Replacement,
    at_entry,
)
from fhir_server.interactions.patch import PATCHING, nothing_to_patch

Writing: TypeAlias = Removal | Creation | Replacement | Modification


@dataclass(frozen=True, slots=True)
class Target:
    """The resource of an entry; `match` is what its criteria found, None without criteria or match.

    `key` is None for a conditional delete that found nothing.
    """

    key: Key | None
    match: Stored | None = None


Targets = dict[int, Target]
"""The target of each entry that is no read, by the entry's index."""


async def find_targets(call: Call, entries: Sequence[Entry]) -> Targets:
    """Look up the criteria of all entries; raise BadRequest where two would change one resource."""
    targets: Targets = {}
    removed: set[Key] = set()
    for entry in in_order_of_effect(entries):
        with at_entry(entry.index):
            target = await _find(permitted(call, entry), entry, frozenset(removed))
        targets[entry.index] = target
        if isinstance(entry, Removal) and target.key is not None:
            removed.add(target.key)
    _check_distinct(entries, targets)
    return targets


def in_order_of_effect(
    entries: Iterable[Entry],
) -> list[Writing]:
    """Return the entries that write: DELETE, then POST, then PUT and PATCH."""
    order = {Removal: 0, Creation: 1, Replacement: 2, Modification: 2}
    writing = [each for each in entries if not isinstance(each, ReadEntry)]
    return sorted(writing, key=lambda each: order[type(each)])


def permitted(call: Call, entry: Writing) -> Call:
    """Return the call of one entry, by what that interaction needs; raise InsufficientScope."""
    match entry:
        case Creation(key=key):
            return call.to("c", key.type)
        case Replacement(where=where):
            return call.to("u", where.type)
        case Modification(where=where):
            return call.to(PATCHING, where.type)
        case Removal(where=where):
            return call.to("d", where.type)
        case _:
            assert_never(entry)


async def _find(call: Call, entry: Writing, removed: frozenset[Key]) -> Target:
    where = (entry.criteria or entry.key) if isinstance(entry, Creation) else entry.where
    if isinstance(where, Key):
        return Target(where)
    found = await only_match(call, where, leaving_out=removed)
    match entry:
        case Creation():
            return Target(found.key if found else entry.key, found)
        case Removal():
            return Target(found.key if found else None, found)
        case Modification():
            if found is None:
                raise nothing_to_patch(where)
            return Target(found.key, found)
        case Replacement():
            if found is None and entry.if_match is not None:
                raise version_of_nothing(where, entry.if_match)
            key = key_to_update(call, where, found, entry.resource, entry.fresh_id)
            return Target(key, found)
        case _:
            assert_never(entry)


def _check_distinct(entries: Sequence[Entry], targets: Mapping[int, Target]) -> None:
    first: dict[Key, int] = {}
    for entry in in_order_of_effect(entries):
        target = targets[entry.index]
        if target.key is None or (isinstance(entry, Creation) and target.match):
            continue
        other = first.setdefault(target.key, entry.index)
        if other != entry.index:
            with at_entry(entry.index):
                raise BadRequest(f"{target.key} is changed by entry {other} as well")
