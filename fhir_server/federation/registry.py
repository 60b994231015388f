"""The register of members, and what each declared when it was last asked: kept beside the resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.federation.members import MEMBER_ID, Capabilities, Member, capabilities_of
from fhir_server.storage.keyvalues import KeyValues

_MEMBER = "member"
_DECLARED = "member-capabilities"

_encode = msgspec.json.Encoder().encode
_member = msgspec.json.Decoder(Member).decode
_types = msgspec.json.Decoder(dict[str, list[str]]).decode


@dataclass(frozen=True, slots=True)
class Registry:
    """The members, by their ids; time is in microseconds."""

    kept: KeyValues

    async def members(self, *, now: int) -> Sequence[Member]:
        """Return the members, in the order of their ids."""
        return [_member(content) for _, content in await self.kept.items(_MEMBER, now=now)]

    async def add(self, member: Member, statement: Mapping[str, Any], *, now: int) -> Capabilities:
        """Take a member in, in place of one of the same id; raise ValueError for what cannot be one."""
        if not MEMBER_ID.match(member.id):
            raise ValueError(
                f"{member.id!r} is no id of a member: up to 32 small letters, digits and hyphens"
            )
        found = await self.learn(member.id, statement, now=now)
        await self.kept.put(_MEMBER, member.id, _encode(member), now=now)
        return found

    async def learn(self, member: str, statement: Mapping[str, Any], *, now: int) -> Capabilities:
        """Keep what a member declares, and return it; raise ValueError for what is no CapabilityStatement of R4."""
        found = capabilities_of(statement)
        listed = {name: sorted(codes) for name, codes in found.types.items()}
        await self.kept.put(_DECLARED, member, _encode(listed), now=now)
        return found

    async def capabilities(self, member: str, *, now: int) -> Capabilities:
        """Return what a member declared when it was last asked; nothing, where it was forgotten meanwhile."""
        content = await self.kept.get(_DECLARED, member, now=now)
        listed = _types(content) if content is not None else {}
        return Capabilities({name: frozenset(codes) for name, codes in listed.items()})

    async def remove(self, member: str, *, now: int) -> bool:
        """Take a member out; tell whether there was one."""
        known = await self.kept.get(_MEMBER, member, now=now) is not None
        await self.kept.remove(_MEMBER, member)
        await self.kept.remove(_DECLARED, member)
        return known
