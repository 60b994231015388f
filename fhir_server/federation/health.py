"""How members fared lately: a bounded history of each, over all processes that serve.

Each process keeps its own and writes it down now and then, as one value; whoever looks reads those of all.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import msgspec

from fhir_server.federation.accounts import Account, State
from fhir_server.storage.keyvalues import KeyValues

KIND = "member-health"
MOST = 40
"""Looks at one member that are remembered."""

KEPT = 24 * 3600 * 1_000_000
"""Microseconds for which the history of a process that has ended is kept."""

_ADDRESS = re.compile(r"\b[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
"""Addresses of resources: who looks after members is not to read whose records they have."""

Occasion: TypeAlias = Literal["search", "read", "check"]

_NO_FAULT: frozenset[State] = frozenset({"unsupported", "suspended"})
"""What tells of the question, or of us, and not of the member."""


class Look(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One look at a member, and when it ended, in microseconds."""

    moment: int
    occasion: Occasion
    state: State
    milliseconds: int
    problem: str = ""


class Persons(msgspec.Struct, frozen=True, array_like=True):
    """The last time (us) that a member was asked whom it knows: how many, or why that is not known."""

    moment: int
    count: int = 0
    problem: str = ""


class Told(msgspec.Struct):
    """What one process knows: its looks by member, and the members that it leaves alone, their breakers being open.

    `persons` are of those members that are asked whom they know.
    """

    looks: dict[str, list[Look]] = {}
    open: list[str] = []
    persons: dict[str, Persons] = {}


@dataclass(frozen=True, slots=True)
class History:
    """What all processes know of one member: the latest looks in the order of time; how many leave it alone."""

    looks: Sequence[Look] = ()
    open_in: int = 0
    persons: Persons | None = None

    @property
    def last(self) -> Look | None:
        """The latest look."""
        return self.looks[-1] if self.looks else None

    @property
    def last_failure(self) -> Look | None:
        """The latest look that did not go well: what opened a breaker, rather than that it was open."""
        failed = [each for each in self.looks if each.state != "ok"]
        told = [each for each in failed if each.state != "circuit-open"]
        return next(reversed(told or failed), None)


_encode = msgspec.json.Encoder().encode
_told = msgspec.json.Decoder(Told).decode


@dataclass(slots=True)
class Health:
    """What this process, by its name, has seen."""

    process: str
    _looks: dict[str, deque[Look]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=MOST))
    )
    _persons: dict[str, Persons] = field(default_factory=dict)
    _written: bytes = b""

    def saw(self, member: str, look: Look) -> None:
        """Remember a look."""
        self._looks[member].append(look)

    def saw_page(self, accounts: Sequence[Account], page: int, *, now: int) -> None:
        """Remember how the members fared in a page: those that were asked for it."""
        for each in accounts:
            asked = each.frozen_at == page or (not each.frozen and each.milliseconds > 0)
            if asked and each.state not in _NO_FAULT:
                told = _ADDRESS.sub("a resource", each.problem)
                look = Look(now, "search", each.state, each.milliseconds, told)
                self.saw(each.member, look)

    def knows(self, member: str, persons: Persons) -> None:
        """Remember how many people a member knows."""
        self._persons[member] = persons

    def forget(self, members: frozenset[str]) -> None:
        """Let go of all but these members."""
        for known in (self._looks, self._persons):
            for gone in known.keys() - members:
                del known[gone]

    async def keep(self, kept: KeyValues, open_members: Sequence[str], *, now: int) -> None:
        """Write down what this process knows, where that is more than it wrote down."""
        content = _encode(self._own(open_members))
        if content != self._written:
            await kept.put(KIND, self.process, content, now=now, expires=now + KEPT, durable=False)
            self._written = content

    async def histories(
        self, kept: KeyValues, open_members: Sequence[str], *, now: int
    ) -> Mapping[str, History]:
        """Return what all processes know, by member; of this one what it has not written down as well."""
        others = [
            _told(content)
            for process, content in await kept.items(KIND, now=now)
            if process != self.process
        ]
        return _together([self._own(open_members), *others])

    def _own(self, open_members: Sequence[str]) -> Told:
        looks = {member: list(looks) for member, looks in self._looks.items()}
        return Told(looks, sorted(open_members), self._persons)


def _together(told: Sequence[Told]) -> Mapping[str, History]:
    names = {member for each in told for member in (*each.looks, *each.open, *each.persons)}
    return {
        name: _history([each for each in told if name in each.looks], name, told) for name in names
    }


def _history(with_looks: Sequence[Told], name: str, told: Sequence[Told]) -> History:
    looks = sorted(look for each in with_looks for look in each.looks[name])
    persons = [each.persons[name] for each in told if name in each.persons]
    latest = max(persons, key=lambda each: each.moment, default=None)
    return History(looks[-MOST:], sum(name in each.open for each in told), latest)
