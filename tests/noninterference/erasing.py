"""A copy of a store without what one caller may not see, erased row by row.

What is hidden is told here in words of its own, from the owner classes and the denials: not by the conditions that
the store reads under. That the denials are those that people laid down, `tests/storage/test_denials.py` holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fhir_server.fhir.json import parse_resource
from fhir_server.policy.decision import Audience
from fhir_server.policy.rights import Rights
from fhir_server.policy.scopes import LETTERS
from fhir_server.policy.visibility import Visibility
from fhir_server.search.matching import matches
from tests.noninterference.keeping import Held, Kept, Place

Name: TypeAlias = tuple[str, str, int]
"""Type, id and version, 0 for the current one."""


@dataclass(frozen=True)
class Reach:
    """What a caller may see by one letter or another."""

    rights: Rights
    audience: Audience
    at: int

    def sights(self) -> Iterator[Visibility]:
        """Yield what each letter reaches, and what numbers are told of."""
        for letter in LETTERS:
            yield self.rights.sight(letter)
        if self.rights.counted is not None:
            yield self.rights.counted


def erase(kept: Kept, reach: Reach, *, also: Collection[Name] = ()) -> int:
    """Erase every version that this caller may not see, and those of these names; return how many those were."""
    held = kept.held()
    hidden = {each.place for each in _hidden(kept, held, reach)}
    hidden |= {each.place for each in held if (each.kind, each.id, each.version) in also}
    kept.erase(hidden)
    return len(hidden)


def hidden_names(kept: Kept, reach: Reach) -> set[Name]:
    """Return the versions that this caller may not see by their names, which are the same in a copy."""
    return {(each.kind, each.id, each.version) for each in _hidden(kept, kept.held(), reach)}


def past_hidden(kept: Kept, reach: Reach) -> set[Place]:
    """Return the past versions that this caller may not see."""
    held = kept.held()
    hidden = {each.place for each in _hidden(kept, held, reach)}
    past = {each.place for each in held if each.version}
    return {(rid, version) for rid, version in past if {(rid, version), (rid, 0)} & hidden}


def hidden_keys(kept: Kept, reach: Reach) -> set[str]:
    """Return the addresses whose current versions this caller may not see."""
    return {f"{kind}/{name}" for kind, name, version in hidden_names(kept, reach) if version == 0}


def _hidden(kept: Kept, held: Sequence[Held], reach: Reach) -> Iterator[Held]:
    """Yield what no letter reaches, or is denied."""
    denied, classes = kept.denied(reach.audience.key, reach.at), kept.members()
    current = {f"{each.kind}/{each.id}": each for each in held if each.version == 0}
    for each in held:
        members = classes[each.owner]
        reached = any(_reaches(sight, each.kind, members, each.body) for sight in reach.sights())
        told = [each, *_told(each, current)]
        if not reached or any(not denied.isdisjoint(_denials_of(one)) for one in told):
            yield each


def _told(each: Held, current: Mapping[str, Held]) -> list[Held]:
    """Return what a version tells of, and what that tells of in turn."""
    found: dict[str, Held] = {}
    waiting = sorted(each.about)
    while waiting:
        name = waiting.pop()
        if name in current and name not in found:
            found[name] = current[name]
            waiting += sorted(current[name].about)
    return list(found.values())


def _denials_of(each: Held) -> set[tuple[int, str]]:
    return {(each.owner, "*"), (each.owner, each.kind)}


def _reaches(sight: Visibility, kind: str, members: tuple[str, ...], body: bytes | None) -> bool:
    if sight.types is not None and kind not in sight.types:
        return False
    if sight.patient is not None and kind not in sight.unbound and sight.patient not in members:
        return False
    asked = None if sight.criteria is None else dict(sight.criteria.by_type).get(kind)
    if asked is None or sight.criteria is None:
        return True
    if body is None:
        return False
    return matches(asked, sight.criteria.extract(parse_resource(body)), updated=0)
