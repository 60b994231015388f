"""What a hub does beside the requests: it asks its members now and then what they can do, and writes down how they fare."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from fhir_server.federation.hub import Hub
from fhir_server.federation.registry import Registered
from fhir_server.federation.transport import Failed

CHECKED_EACH = 300 * 1_000_000
"""Microseconds between two checks of a member, by whichever process comes first."""

STEP = 5.0
"""Seconds between two looks at what is due."""

AT_ONCE = 4
"""Members that are checked at once: what they declare may be large."""

_CHECKED = "member-checked"


@dataclass(frozen=True, slots=True)
class Minder:
    """Minds the members of a hub; `tell` is given the ids of the members, and of those that are left alone."""

    hub: Hub
    tell: Callable[[Collection[str], Collection[str]], None]

    async def step(self) -> None:
        """Do what is due; raise FhirError."""
        now = self.hub.clock()
        registered = await self.hub.registry.registered(now=now)
        await self._check([each for each in registered if await self._is_due(each, now)])
        names = frozenset(each.member.id for each in registered)
        left_alone = [each for each in self.hub.open_members if each in names]
        self.tell(names, left_alone)
        self.hub.health.forget(names)
        await self.hub.health.keep(self.hub.kept, left_alone, now=self.hub.clock())

    async def _is_due(self, registered: Registered, now: int) -> bool:
        if registered.member.withheld:
            return False
        name, expires = registered.member.id, now + CHECKED_EACH
        return await self.hub.kept.add(_CHECKED, name, b"", now=now, expires=expires)

    async def _check(self, due: Collection[Registered]) -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def check(registered: Registered) -> None:
            async with turns:
                # How it went is in the history of the member.
                with suppress(Failed, ValueError):
                    await self.hub.check(registered)

        async with asyncio.TaskGroup() as group:
            for each in due:
                group.create_task(check(each))
