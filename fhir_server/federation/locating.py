"""Asking members whom they know: those that are registered with a locator, again and again, each process for itself.

Indexes and their keys are kept in memory alone, so that nobody finds them in a store or its copies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from fhir_server.federation.health import Health, Persons
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Member
from fhir_server.federation.persons import BadIndex, PersonIndex, index_in
from fhir_server.federation.registry import Registered, Registry
from fhir_server.federation.tokens import Ask, Bearing, Tokens
from fhir_server.federation.transport import Failed, Transport
from fhir_server.policy.scopes import PERSON_INDEX

SECOND = 1_000_000
EACH = 60 * SECOND
"""Microseconds between two indexes of a member, at least."""

SHARE = 30
"""And so many times as long as the last one took: a large one costs a member seconds of its processor."""

SECONDS = 60.0
"""How long one may take."""

AT_ONCE = 2
"""Members that are asked at once: an index may have 16 MB."""

_HEADERS = {"accept": "application/fhir+json"}

_Name = tuple[str, str]
"""A member, and its registration."""


@dataclass(slots=True)
class Locator:
    """Knows whom members know. `transport_of` is the way to one without a token; `clock` gives microseconds."""

    registry: Registry
    tokens: Tokens
    transport_of: Callable[[Member], Transport]
    clock: Callable[[], int]
    health: Health
    _indexes: dict[_Name, PersonIndex] = field(default_factory=dict)
    _due: dict[_Name, int] = field(default_factory=dict)

    def index_of(self, registered: Registered) -> PersonIndex | None:
        """Return whom a member knows, None where that is not known well enough to go by."""
        found = self._indexes.get(_name(registered))
        return found if found is not None and found.is_fresh(now=self.clock()) else None

    async def step(self) -> None:
        """Ask the members whose turn it is; raise FhirError."""
        registered = await self.registry.registered(now=self.clock())
        located = {_name(each): each for each in registered if _is_located(each.member)}
        for known in (self._indexes, self._due):
            for gone in known.keys() - located.keys():
                del known[gone]
        turns = asyncio.Semaphore(AT_ONCE)

        async def ask(each: Registered) -> None:
            async with turns:
                await self.ask(each)

        async with asyncio.TaskGroup() as group:
            for name, each in located.items():
                if self._due.get(name, 0) <= self.clock():
                    group.create_task(ask(each))

    async def ask(self, registered: Registered) -> Persons:
        """Ask a member, and return what came of it; where it told nothing, what it told before is gone by."""
        member, began = registered.member, self.clock()
        try:
            found = await persons_of(member, self.transport_of(member), self.tokens, self.clock)
        except Failed as failure:
            told = Persons(began, problem=str(failure) or failure.state)
        else:
            self._indexes[_name(registered)] = found
            told = Persons(found.as_of, found.count)
        took = self.clock() - began
        self._due[_name(registered)] = began + max(EACH, SHARE * took)
        self.health.knows(member.id, told)
        return told


async def persons_of(
    member: Member, transport: Transport, tokens: Tokens, clock: Callable[[], int]
) -> PersonIndex:
    """Return whom a member knows, as of the moment at which it is asked; raise Failed."""
    if member.credentials is not None:
        own = Ask(member.id, member.credentials, None, (PERSON_INDEX,))
        transport = Bearing(transport, tokens, own)
    line = Line(replace(member, seconds=SECONDS), transport, clock)
    as_of, until = clock(), asyncio.get_running_loop().time() + SECONDS
    content = await line.get(f"{member.base}/$person-index", _HEADERS, until=until)
    try:
        # A million marks are looked at.
        return await asyncio.to_thread(index_in, content, as_of=as_of)
    except BadIndex as problem:
        raise Failed("error", str(problem)) from problem


def _is_located(member: Member) -> bool:
    return member.locator and not member.withheld


def _name(registered: Registered) -> _Name:
    return registered.member.id, registered.registration
