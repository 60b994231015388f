"""What a record may be used for: rules over the purposes of use, read as data that people review.

A purpose is a code of https://terminology.hl7.org/CodeSystem-v3-ActReason.html. The rule of the nearest code above
it holds; where one has a rule of its own, that holds instead: population health stands below treatment there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import msgspec

Use: TypeAlias = Literal["care", "own", "oversight", "secondary", "forbidden"]
"""`own`: the person asks, so that what the person said about others is no matter. `oversight`: what people said, and the opt-out, are no matter for those who see that they are obeyed."""


class PurposeRule(msgspec.Struct, frozen=True, rename="camel"):
    """What holds for some purposes and those below them; `opt_out`: the national opt-out applies."""

    id: str
    codes: tuple[str, ...]
    use: Use
    opt_out: bool
    says: str


class _Content(msgspec.Struct, frozen=True):
    system: str
    children: dict[str, tuple[str, ...]]
    rules: tuple[PurposeRule, ...]


@dataclass(frozen=True)
class Purposes:
    """The purposes of use and their rules."""

    system: str
    children: Mapping[str, tuple[str, ...]]
    rules: tuple[PurposeRule, ...]

    def rule(self, code: str) -> PurposeRule | None:
        """Return the rule of a purpose; None for a code that nobody knows, which permits nothing."""
        for each in self.above(code):
            if each in self._own:
                return self._own[each]
        return None

    def above(self, code: str) -> tuple[str, ...]:
        """Return a purpose and all above it, the nearest first."""
        found = [code]
        while found[-1] in self._parents:
            found.append(self._parents[found[-1]])
        return tuple(found)

    @cached_property
    def _parents(self) -> Mapping[str, str]:
        return {child: parent for parent, below in self.children.items() for child in below}

    @cached_property
    def _own(self) -> Mapping[str, PurposeRule]:
        return {code: each for each in self.rules for code in each.codes}


def read_purposes(content: bytes) -> Purposes:
    """Return the purposes that a file describes; raise ValueError for one that is none, or contradicts itself."""
    read = msgspec.json.decode(content, type=_Content)
    codes = [code for each in read.rules for code in each.codes]
    for code in codes:
        if codes.count(code) > 1:
            raise ValueError(f"the purpose {code} has two rules")
    return Purposes(read.system, read.children, read.rules)
