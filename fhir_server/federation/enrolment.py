"""Taking members in and out: what is written, and in which order, so that no half of it is ever in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from fhir_server.federation.endpoints import endpoint_key, enrolling_bundle, removing_bundle
from fhir_server.federation.members import MEMBER_ID, Capabilities, Member, capabilities_of
from fhir_server.federation.registry import Registered, Registry
from fhir_server.fhir.errors import NotFound
from fhir_server.fhir.json import parse
from fhir_server.interactions.call import Call
from fhir_server.interactions.read import read
from fhir_server.interactions.transaction import transaction
from fhir_server.interactions.update import update

T = TypeVar("T")

_MIGRATED = "migrated"
"""The registration of members from before they were Endpoints: the same for all who migrate at once."""


class Writer(Protocol):
    """Does a piece of work with the call of whoever it is done for; again where the search parameters changed."""

    async def __call__(self, work: Callable[[Call], Awaitable[T]], /) -> T:
        """Return what the work returns."""
        ...


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Changes a register; the resources are written by `write`, in the name of whoever asked."""

    registry: Registry
    write: Writer
    new_id: Callable[[], str]

    async def add(
        self, member: Member, statement: Mapping[str, Any], *, service: str | None = None, now: int
    ) -> Capabilities:
        """Take a member in, in place of one of the same id; raise ValueError for what cannot be one, or FhirError."""
        if not MEMBER_ID.match(member.id):
            raise ValueError(
                f"{member.id!r} is no id of a member: up to 32 small letters, digits and hyphens"
            )
        found = capabilities_of(statement, taken=now)
        before = await self.registry.endpoint(member.id)
        if before is not None and before.registration is None:
            raise ValueError(f"{endpoint_key(member.id)} is in the store, and is no member")
        registration = self.new_id()
        try:
            await self._put_in_force(member, found, registration, service, now=now)
        finally:
            old = [] if before is None else [before.registration or ""]
            await self._forget_all_but_current(member.id, [registration, *old])
        return found

    async def remove(self, member: str, *, now: int) -> bool:
        """Take a member out; tell whether there was one. Raise FhirError."""
        endpoint = await self.registry.endpoint(member)
        known = endpoint is not None and endpoint.registration is not None
        if known:
            await self.write(lambda call: transaction(call, removing_bundle(member)))
        await self.registry.forget_all(member, now=now)
        return known

    async def set_status(self, member: str, status: str, *, now: int) -> None:
        """Give a member's Endpoint a status: `suspended`, or `active` again; raise NotFound or another FhirError."""
        if member not in {each.id for each in await self.registry.members(now=now)}:
            raise NotFound(f"There is no member {member!r} in this federation.")

        async def change(call: Call) -> None:
            stored = await read(call, endpoint_key(member))
            changed = parse(stored.body or b"") | {"status": status}
            await update(call, stored.key, changed, if_match=stored.version)

        await self.write(change)

    async def migrate(self, *, now: int) -> None:
        """Make Endpoints of members that were kept before there were any; several may do so at once. Raise FhirError."""
        for member, found in await self.registry.before(now=now):
            endpoint = await self.registry.endpoint(member.id)
            if endpoint is None or endpoint.registration is None:
                await self._put_in_force(member, found, _MIGRATED, None, now=now)
            await self.registry.forget_before(member.id)

    async def _put_in_force(
        self,
        member: Member,
        found: Capabilities,
        registration: str,
        service: str | None,
        *,
        now: int,
    ) -> None:
        await self.registry.prepare(member, found, registration, now=now)
        bundle = enrolling_bundle(member, registration, service)
        await self.write(lambda call: transaction(call, bundle))

    async def _forget_all_but_current(self, member: str, registrations: Iterable[str]) -> None:
        """Let go of those of these that the Endpoint does not name, however the write of it went."""
        endpoint = await self.registry.endpoint(member)
        for each in registrations:
            if endpoint is None or each != endpoint.registration:
                await self.registry.forget(member, each)


async def known(registry: Registry, member: str, *, now: int) -> Registered:
    """Return a member of the register; raise NotFound."""
    for each in await registry.registered(now=now):
        if each.member.id == member:
            return each
    raise NotFound(f"There is no member {member!r} in this federation.")
