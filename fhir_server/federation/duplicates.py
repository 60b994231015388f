"""What members hold of the same thing, shown once: only where that was asked for, and never in silence. Pure.

What two resources have in common is one key of each, so that being the same is an equivalence, and what is shown does not
depend on who holds what: the first by the order stands for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, TypeAlias

import msgspec

from fhir_server.federation.answers import Match
from fhir_server.fhir.nhs_number import is_nhs_number
from fhir_server.policy.personal import NHS_NUMBER

Mode: TypeAlias = Literal["off", "identical", "identifier"]
"""`identical`: the same bytes; `identifier`: the same business identifier of a system that is trusted for it."""

Same: TypeAlias = Callable[[Match], str | None]
"""Returns what all resources that are the same have in common; None for one that is like no other."""

MOST_SEEN = 5_000
"""Matches whose keys one cursor remembers."""

_DIGITS = 24
"""Hexadecimal digits of a key: of 5,000, two that differ share one with a chance below 1 in 10^21."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """How duplicates are known: `systems` are the trusted ones, the most trusted first."""

    mode: Mode = "off"
    systems: tuple[str, ...] = (NHS_NUMBER,)

    def known_by(self, mode: Mode | None) -> Duplicates:
        """Return the same for a request that says how, or does not."""
        return self if mode is None else Duplicates(mode, self.systems)

    @property
    def same(self) -> Same | None:
        """What tells duplicates; None where all is shown."""
        match self.mode:
            case "off":
                return None
            case "identical":
                return _same_bytes
            case "identifier":
                return lambda match: _same_thing(match, self.systems)


SHOW_ALL = Duplicates()


class _Identifier(msgspec.Struct):
    system: Any = None
    value: Any = None
    use: Any = None


class _One(msgspec.Struct):
    identifier: _Identifier


class _Many(msgspec.Struct):
    identifier: list[_Identifier] = []


_one = msgspec.json.Decoder(_One).decode
_many = msgspec.json.Decoder(_Many).decode


def _same_bytes(match: Match) -> str:
    return sha256(match.resource).hexdigest()[:_DIGITS]


def _same_thing(match: Match, systems: Sequence[str]) -> str | None:
    """Return the key of the first identifier by the order of the systems, then of values: one, never several."""
    given = [(each.system, _value(each)) for each in _identifiers(match.resource)]
    for system in systems:
        values = sorted(value for name, value in given if name == system and _counts(name, value))
        if values:
            told = "\0".join((match.type, system, values[0]))
            return sha256(told.encode()).hexdigest()[:_DIGITS]
    return None


def _value(identifier: _Identifier) -> str:
    """Return the value as it is compared, nothing where there is none; NHS numbers are written with spaces too."""
    if not isinstance(identifier.value, str):
        return ""
    return (
        identifier.value.replace(" ", "") if identifier.system == NHS_NUMBER else identifier.value
    )


def _counts(system: str, value: str) -> bool:
    """Tell whether a value can identify anything: an NHS number by its check digit."""
    return is_nhs_number(value) if system == NHS_NUMBER else bool(value.strip())


def _identifiers(content: bytes) -> Iterator[_Identifier]:
    try:
        found = _many(content).identifier
    except msgspec.MsgspecError:
        # Some types have one, and not a list.
        try:
            found = [_one(content).identifier]
        except msgspec.MsgspecError:
            return
    yield from (each for each in found if each.use != "old")
