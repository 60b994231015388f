"""The members of a federation."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Callable,
    Sequence,
)
from contextlib import asynccontextmanager

from msgspec.structs import replace

from fhir_server.federating import transport_to
from fhir_server.federation.hub import declared, token_endpoint
from fhir_server.federation.members import Capabilities, Member
from fhir_server.federation.registry import Registry
from fhir_server.federation.transport import Failed, Transport
from fhir_server.settings import Settings
from fhir_server.wiring import clock, opened_store


async def add_member(settings: Settings, member: Member) -> Capabilities:
    """Ask a member what it can do, where it gives tokens if that is not known, and take it in.

    Raise Failed, ValueError, or FhirError.
    """
    async with _members(settings) as (registry, transport):
        statement = await declared(member, transport, clock)
        credentials = member.credentials
        if credentials is not None and not credentials.token_url:
            url = await token_endpoint(member, transport, clock)
            member = replace(member, credentials=replace(credentials, token_url=url))
        return await registry.add(member, statement, now=clock())


async def members_of(settings: Settings) -> Sequence[Member]:
    """Return the members; raise FhirError."""
    async with _members(settings) as (registry, _):
        return await registry.members(now=clock())


async def check_members(
    settings: Settings, tell: Callable[[Member, Capabilities | Failed], None]
) -> None:
    """Ask each member anew what it can do, keep it, and tell how that went; raise FhirError."""
    async with _members(settings) as (registry, transport):
        for member in await registry.members(now=clock()):
            try:
                statement = await declared(member, transport, clock)
                tell(member, await registry.learn(member.id, statement, now=clock()))
            except Failed as failure:
                tell(member, failure)
            except ValueError as problem:
                tell(member, Failed("error", str(problem)))


async def remove_member(settings: Settings, member: str) -> bool:
    """Take a member out, and tell whether there was one; raise FhirError."""
    async with _members(settings) as (registry, _):
        return await registry.remove(member, now=clock())


@asynccontextmanager
async def _members(settings: Settings) -> AsyncIterator[tuple[Registry, Transport]]:
    async with (
        opened_store(settings) as store,
        transport_to(settings.member_networks) as transport,
    ):
        yield Registry(store.key_values), transport
