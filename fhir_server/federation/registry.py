"""The register of members: who is one is told by the Endpoints of the hub's own store, how each is asked is kept apart.

An Endpoint names by an identifier the settings that belong to it. It alone says what is in force, so that a crash between
two writes leaves the registration that was there, or the new one, and never a part of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.federation.endpoints import ENDED, Endpoint, endpoint_key, read_endpoint
from fhir_server.federation.members import Capabilities, Member, capabilities_of
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.contract import Store
from fhir_server.storage.keyvalues import KeyValues

_SETTINGS = "member-settings"
_SNAPSHOT = "member-snapshot"
_LEARNED = "member-learned"
"""When a snapshot was taken: looked at with each search, which the snapshot is too large for."""

_BEFORE = "member"
_DECLARED_BEFORE = "member-capabilities"
"""How members were kept before they were Endpoints."""

SIGHT = Visibility.system("the register of members")

_encode = msgspec.json.Encoder().encode
_member = msgspec.json.Decoder(Member).decode
_snapshot = msgspec.json.Decoder(Capabilities).decode
_types = msgspec.json.Decoder(dict[str, frozenset[str]]).decode


@dataclass(frozen=True, slots=True)
class Registered:
    """A member, which registration of it is in force, and when (in microseconds) it last told what it can do."""

    member: Member
    registration: str
    learned: int


@dataclass(frozen=True, slots=True)
class Registry:
    """The members of a store; time is in microseconds."""

    store: Store

    @property
    def kept(self) -> KeyValues:
        """What is kept besides the resources."""
        return self.store.key_values

    async def members(self, *, now: int) -> Sequence[Member]:
        """Return the members, in the order of their ids."""
        return [each.member for each in await self.registered(now=now)]

    async def registered(self, *, now: int) -> Sequence[Registered]:
        """Return the members as they stand, in the order of their ids, those among them that are not to be asked."""
        settings = dict(await self.kept.items(_SETTINGS, now=now))
        if not settings:
            return []
        learned = dict(await self.kept.items(_LEARNED, now=now))
        names = sorted({key.partition("/")[0] for key in settings})
        keys = [endpoint_key(each) for each in names]
        rows = await self.store.read_many(SIGHT, keys)
        endpoints = sorted((read_endpoint(each.stored.body or b"") for each in rows), key=_id)
        return [
            Registered(_standing(_member(settings[key]), each), registration, int(learned[key]))
            for each in endpoints
            if (registration := each.registration) is not None
            and (key := _key(each.id, registration)) in settings
            and each.status not in ENDED
        ]

    async def endpoint(self, member: str) -> Endpoint | None:
        """Return the Endpoint at a member's place, whoever wrote it; None where there is none."""
        rows = await self.store.read_many(SIGHT, [endpoint_key(member)])
        return read_endpoint(rows[0].stored.body or b"") if rows else None

    async def prepare(
        self, member: Member, found: Capabilities, registration: str, *, now: int
    ) -> None:
        """Keep what a registration needs; it comes into force with the Endpoint that names it."""
        key = _key(member.id, registration)
        await self.kept.put(_LEARNED, key, b"%d" % found.taken, now=now)
        await self.kept.put(_SNAPSHOT, key, _encode(found), now=now)
        await self.kept.put(_SETTINGS, key, _encode(member), now=now)

    async def forget(self, member: str, registration: str) -> None:
        """Let go of what a registration needed that no Endpoint names any more."""
        for kind in (_SETTINGS, _SNAPSHOT, _LEARNED):
            await self.kept.remove(kind, _key(member, registration))

    async def forget_all(self, member: str, *, now: int) -> None:
        """Let go of all registrations that a member ever had."""
        for key, _ in await self.kept.items(_SETTINGS, now=now):
            name, _, registration = key.partition("/")
            if name == member:
                await self.forget(name, registration)

    async def learn(
        self, known: Registered, statement: Mapping[str, Any], *, now: int
    ) -> Capabilities:
        """Keep what a member declares, and return it; raise ValueError for what is no CapabilityStatement of R4."""
        found = capabilities_of(statement, taken=now)
        key = _key(known.member.id, known.registration)
        await self.kept.put(_SNAPSHOT, key, _encode(found), now=now)
        await self.kept.put(_LEARNED, key, b"%d" % now, now=now)
        return found

    async def capabilities(self, known: Registered, *, now: int) -> Capabilities:
        """Return what a member declared when it was last asked; nothing, where it was taken out meanwhile."""
        content = await self.kept.get(_SNAPSHOT, _key(known.member.id, known.registration), now=now)
        return Capabilities({}) if content is None else _snapshot(content)

    async def before(self, *, now: int) -> Sequence[tuple[Member, Capabilities]]:
        """Return the members that are kept as they were before they were Endpoints."""
        found = []
        for name, content in await self.kept.items(_BEFORE, now=now):
            declared = await self.kept.get(_DECLARED_BEFORE, name, now=now)
            types = {} if declared is None else _types(declared)
            found.append((_member(content), Capabilities(types)))
        return found

    async def forget_before(self, member: str) -> None:
        """Let go of a member as it was kept before."""
        await self.kept.remove(_BEFORE, member)
        await self.kept.remove(_DECLARED_BEFORE, member)


def _standing(member: Member, endpoint: Endpoint) -> Member:
    """Return a member as its Endpoint has it: named by it, and asked only at the address that was registered.

    Who may write an Endpoint can so withhold a member, and cannot lead the hub anywhere else.
    """
    withheld = ""
    if endpoint.status != "active":
        withheld = f"its Endpoint has the status {endpoint.status}"
    elif endpoint.address != member.base:
        withheld = "its Endpoint has another address than was registered"
    return msgspec.structs.replace(member, name=endpoint.name or member.name, withheld=withheld)


def _id(endpoint: Endpoint) -> str:
    return endpoint.id


def _key(member: str, registration: str) -> str:
    return f"{member}/{registration}"
