"""The members of a federation."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import TypeVar

from fhir_server.catalogue.register import InForce, Register
from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.federating import tokens_of, transport_to
from fhir_server.federation.credentials import with_token_endpoint
from fhir_server.federation.enrolment import Enrolment, Writer
from fhir_server.federation.health import Health, History, Persons
from fhir_server.federation.hub import Hub, declared
from fhir_server.federation.locating import Locator
from fhir_server.federation.members import Capabilities, Member
from fhir_server.federation.registry import SIGHT, Registry
from fhir_server.federation.transport import Failed, Transport
from fhir_server.interactions.call import Call
from fhir_server.offline.loading import register_on
from fhir_server.offline.telling import tell as log
from fhir_server.rules import enforcement
from fhir_server.settings import Settings, definitions_folder
from fhir_server.storage.contract import Store
from fhir_server.wiring import clock, new_id, opened_store

T = TypeVar("T")

_KIND = "member"
_COMMAND = "command"
"""The process that checks by command, in the health of members: each takes the place of the one before."""


async def add_member(
    settings: Settings, member: Member, service: str | None = None
) -> Capabilities:
    """Ask a member what it can do, where it gives tokens if that is not known, and take it in.

    Raise Failed, ValueError, or FhirError.
    """
    async with _members(settings) as opened:
        return await _added(*opened, member, service)


async def add_members(settings: Settings, members: Sequence[Member]) -> None:
    """Take several in, one after the other; raise Failed, ValueError, or FhirError."""
    async with _members(settings) as opened:
        for each in members:
            await _added(*opened, each, None)


async def _added(
    store: Store,
    enrolment: Enrolment,
    transport: Transport,
    member: Member,
    service: str | None,
) -> Capabilities:
    statement = await declared(member, transport, clock)
    member = await with_token_endpoint(member, transport, clock)
    found = await enrolment.add(member, statement, service=service, now=clock())
    await log(store, f"the member {member.id} was taken in", kind=_KIND)
    return found


async def members_of(settings: Settings) -> Sequence[tuple[Member, Persons | None]]:
    """Return the members, each with how many people it knows where it is asked that; raise FhirError."""
    async with _members(settings) as (store, enrolment, _):
        known = await Health(new_id()).histories(store.key_values, (), now=clock())
        return [
            (each, known.get(each.id, History()).persons if each.locator else None)
            for each in await enrolment.registry.members(now=clock())
        ]


async def check_members(
    settings: Settings, tell: Callable[[Member, Capabilities | Persons | Failed], None]
) -> None:
    """Ask each member anew what it can do, and whom it knows; keep that and how it went, and tell of it; raise FhirError."""
    async with _members(settings) as (store, enrolment, transport):
        health = Health(_COMMAND)
        hub = Hub(enrolment.registry, store.key_values, transport, clock, new_id, 0, health)
        tokens = await tokens_of(store, transport, clock)
        locator = Locator(hub.registry, tokens, hub.way_to, clock, health)
        try:
            for each in await hub.registry.registered(now=clock()):
                try:
                    tell(each.member, await hub.check(each))
                    if each.member.locator:
                        tell(each.member, await locator.ask(each))
                except Failed as failure:
                    tell(each.member, failure)
                except ValueError as problem:
                    tell(each.member, Failed("error", str(problem)))
        finally:
            await health.keep(hub.kept, (), now=clock())


async def set_member_status(settings: Settings, member: str, status: str) -> None:
    """Suspend a member, or make it `active` again; raise FhirError."""
    async with _members(settings) as (store, enrolment, _):
        await enrolment.set_status(member, status, now=clock())
        await log(store, f"the member {member} was made {status}", kind=_KIND)


async def remove_member(settings: Settings, member: str) -> bool:
    """Take a member out, and tell whether there was one; raise FhirError."""
    async with _members(settings) as (store, enrolment, _):
        known = await enrolment.remove(member, now=clock())
        if known:
            await log(store, f"the member {member} was taken out", kind=_KIND)
        return known


@asynccontextmanager
async def _members(settings: Settings) -> AsyncIterator[tuple[Store, Enrolment, Transport]]:
    async with (
        opened_store(settings, enforcement()) as store,
        transport_to(settings.member_networks) as transport,
    ):
        writing = _writing(await register_on(store, settings), store, settings.fhir_base)
        enrolment = Enrolment(Registry(store), writing, new_id)
        await enrolment.migrate(now=clock())
        yield store, enrolment, transport


def _writing(register: Register, store: Store, base_url: str) -> Writer:
    """Return what writes resources of the register for whoever runs the command."""
    validator = Validator(definitions_in(definitions_folder()))

    async def write(work: Callable[[Call], Awaitable[T]]) -> T:
        return await register.settled(lambda force: work(call(force)))

    def call(force: InForce) -> Call:
        return Call(
            store,
            force.definitions,
            validator,
            force.extractor,
            SIGHT,
            new_id,
            base_url,
            now=clock(),
        )

    return write
