"""A copy of a store without what one caller may not see, erased row by row.

What is hidden is told here in words of its own, from the owner classes and the denials: not by the conditions that
the store reads under. That the denials are those that people laid down, `tests/storage/test_denials.py` holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fhir_server.fhir.json import parse_resource
from fhir_server.policy.decision import Audience
from fhir_server.policy.rights import Rights
from fhir_server.policy.scopes import LETTERS
from fhir_server.policy.visibility import Visibility
from fhir_server.search.matching import matches
from tests.noninterference.keeping import Held, Kept, Place


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


def erase(kept: Kept, reach: Reach) -> int:
    """Erase every version that this caller may not see; return how many those were."""
    hidden = {each.place for each in _hidden(kept, kept.held(), reach)}
    kept.erase(hidden)
    return len(hidden)


def past_hidden(kept: Kept, reach: Reach) -> set[Place]:
    """Return the past versions that this caller may not see."""
    held = kept.held()
    hidden = {each.place for each in _hidden(kept, held, reach)}
    past = {each.place for each in held if each.version}
    return {(rid, version) for rid, version in past if {(rid, version), (rid, 0)} & hidden}


def hidden_keys(kept: Kept, reach: Reach) -> set[str]:
    """Return the addresses whose current versions this caller may not see."""
    current = [each for each in kept.held() if each.version == 0]
    return {f"{each.kind}/{each.id}" for each in _hidden(kept, current, reach)}


def _hidden(kept: Kept, held: Sequence[Held], reach: Reach) -> Iterator[Held]:
    """Yield what no letter reaches, or is denied."""
    denied, classes = kept.denied(reach.audience.key, reach.at), kept.members()
    for each in held:
        kind, owner = each.kind, each.owner
        reached = any(_reaches(sight, kind, classes[owner], each.body) for sight in reach.sights())
        if not reached or not denied.isdisjoint({(owner, "*"), (owner, kind)}):
            yield each


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
