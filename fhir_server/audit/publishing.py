"""From the log to AuditEvents that can be read and searched: while nothing else is to be done, or when asked for.

Several processes may do it at once: each step is one atomic write, which only one of them can make.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fhir_server.audit.event import Event, decoded
from fhir_server.audit.resource import Origin, audit_events
from fhir_server.catalogue.register import InForce, Register
from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.json import members
from fhir_server.fhir.resource import Key, Resource
from fhir_server.policy.decision import Decision
from fhir_server.search.indexing import Extractor
from fhir_server.storage.auditing import Publish
from fhir_server.storage.contract import Draft, Put, Refused, Store, WriteOp

TOGETHER = 50
"""Events of one step: what a write may have to wait for."""

MOST_TOUCHED = 200
"""Versions that the events of one step may have touched together, unless one has more."""

SECONDS = 5.0
"""How long one who asks for AuditEvents waits for them."""

_APART = frozenset({"resourceType", "id", "meta"})


@dataclass(frozen=True, slots=True)
class Publisher:
    """Makes AuditEvents of one store's log."""

    store: Store
    register: Register
    origin: Origin

    async def caught_up(self) -> None:
        """Return once there is an AuditEvent of all that was recorded; raise TooCostly if that takes too long."""
        goal = (await self.store.audit_log.extent()).last
        try:
            async with asyncio.timeout(SECONDS):
                while (await self.store.audit_log.extent()).published < goal:
                    await self.step()
        except TimeoutError:
            raise await self._behind() from None

    async def in_passing(self) -> bool:
        """Do a step; tell whether there is more to do, and nothing else came meanwhile."""
        before = (await self.store.audit_log.extent()).last
        more = await self.step()
        return more and (await self.store.audit_log.extent()).last == before

    async def step(self) -> bool:
        """Make the next AuditEvents; tell whether there may be more to make."""
        last, published = await self.store.audit_log.extent()
        if published >= last:
            return False
        entries = await self.store.audit_log.entries(published, TOGETHER)
        events = list(_some([decoded(each) for each in entries]))
        made = await self._made(events, published + 1)
        await self.register.settled(lambda force: self._publish(force, published, events, made))
        return published + len(events) < last

    async def _made(self, events: Sequence[Event], first: int) -> list[Resource]:
        """Return the AuditEvents of events, the first of which has this number."""
        touched = [(Key(one.type, one.id), one.version) for each in events for one in each.touched]
        concerned = await self.store.audit_log.concerned(touched)
        found: list[Resource] = []
        done = 0
        for number, event in enumerate(events, first):
            theirs = concerned[done : done + len(event.touched)]
            decided = await self._decided(event, theirs)
            found += audit_events(event, number, theirs, self.origin, decided)
            done += len(event.touched)
            await asyncio.sleep(0)
        return found

    async def _decided(
        self, event: Event, concerned: Sequence[tuple[str, ...]]
    ) -> Mapping[str, Decision]:
        """Return for each patient what permitted the first of what was touched, as Consents stand now.

        What concerns several is left out: the Consent of one is no matter of the others.
        """
        found: dict[str, Decision] = {}
        if event.audience is None:
            return found
        for touched, patients in zip(event.touched, concerned, strict=True):
            if len(patients) == 1 and patients[0] not in found:
                opened = patients[0] in event.emergency
                audience = replace(event.audience, emergency=True) if opened else event.audience
                key = Key(touched.type, touched.id)
                decision = await self.store.decision(key, audience, at=event.moment)
                if decision is not None:
                    found[patients[0]] = decision
        return found

    async def _publish(
        self, force: InForce, published: int, events: Sequence[Event], made: Sequence[Resource]
    ) -> None:
        ops: list[WriteOp] = [Publish(published, published + len(events))]
        for each in made:
            # Whatever has that id: the log is the truth, and must not be held up.
            ops.append(Put(draft(each, force.extractor), "POST"))
            await asyncio.sleep(0)
        results = await self.store.write(ops, atomic=True)
        if any(isinstance(each, Refused) for each in results):
            # Another process was faster.
            await asyncio.sleep(0.01)

    async def _behind(self) -> TooCostly:
        last, published = await self.store.audit_log.extent()
        return TooCostly(
            f"AuditEvents are being made of what was recorded, {100 * published // last} % so far:"
            " try again in a while"
        )


def draft(resource: Resource, extractor: Extractor) -> Draft:
    """Return an AuditEvent as it is written."""
    rest = {name: value for name, value in resource.items() if name not in _APART}
    return Draft(
        Key(resource["resourceType"], resource["id"]),
        members(resource.get("meta", {})),
        members(rest),
        extractor.extract(resource),
        extractor.generation,
    )


def _some(events: Sequence[Event]) -> Iterator[Event]:
    touched = 0
    for number, each in enumerate(events):
        touched += len(each.touched)
        if number and touched > MOST_TOUCHED:
            return
        yield each
