"""What one member has, read through the hub: its bytes, under its own versions, once they are cleared for the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.federation.answers import Match, MemberPage
from fhir_server.federation.search import Party
from fhir_server.federation.transport import Absent, Failed
from fhir_server.rest.answer import Answer
from fhir_server.rest.cursors import scope_of
from fhir_server.rest.federated.callers import Admission
from fhir_server.rest.federated.instances import (
    MEMBER_HISTORY,
    MEMBER_METADATA,
    MEMBER_READ,
    MEMBER_VREAD,
    Asked,
    asked_of,
    history_links,
    history_pairs,
    no_member,
    resource_answer,
    statement_answer,
)
from fhir_server.rest.federated.reaching import Reach, deadline_of, headers_of
from fhir_server.rest.paging import CURSOR
from fhir_server.rest.request import Request
from fhir_server.rest.service import Route, Service


@dataclass(frozen=True, slots=True)
class MemberReading:
    """Serves what is below one member."""

    reach: Reach

    def routes(self) -> Sequence[Route]:
        """Return what is served."""
        return (
            Route("GET", MEMBER_READ, self.read, ("read",)),
            Route("GET", MEMBER_HISTORY, self.history, ("history-instance",)),
            Route("GET", MEMBER_VREAD, self.read, ("vread",)),
            Route("GET", MEMBER_METADATA, self.metadata, ()),
        )

    async def read(self, service: Service, request: Request) -> Answer:
        """Serve `GET [member]/[type]/[id]`, and its versions at `_history/[vid]`: the member's bytes."""
        asked = asked_of(request)
        admission, party = await self._party(service, request, asked)
        content = await self._get(party, request, asked, asked.url_at(party.line.member.base))
        answer = resource_answer(service, request, asked, content)
        await self._clear(party, request, asked, [content])
        _record(request, admission, party, asked)
        return answer

    async def history(self, service: Service, request: Request) -> Answer:
        """Serve `GET [member]/[type]/[id]/_history`: the member's Bundle, its pages led through here."""
        asked, now = asked_of(request), service.clock()
        pairs = history_pairs(request)
        scope = scope_of("/".join(request.segments), pairs, principal=request.principal)
        handle = request.parameter(CURSOR)
        place = (await self.reach.hub.place(handle, scope, now=now)).decode() if handle else ""
        admission, party = await self._party(service, request, asked)
        url = place or asked.url_at(party.line.member.base)
        content = await self._get(party, request, asked, url)
        found = asked.history(content, url, party.line.member.base)
        await self._clear(party, request, asked, found.resources)
        _record(request, admission, party, asked)
        following = None
        if found.next is not None:
            following = await self.reach.hub.keep_place(found.next.encode(), scope, now=now)
        return Answer(200, found.linked(history_links(request, pairs, following)))

    async def metadata(self, service: Service, request: Request) -> Answer:
        """Serve `GET [member]/metadata`: what that member declares itself, to everyone."""
        asked = asked_of(request)
        await self.reach.hub.known_members(now=service.clock())
        line = self.reach.hub.line(asked.member)
        if line is None:
            raise no_member(asked.member)
        url = asked.url_at(line.member.base)
        try:
            content = await line.get(url, headers_of(request), until=deadline_of(request))
        except Failed as failure:
            raise asked.error(failure) from failure
        return statement_answer(content)

    async def check_seen(self, party: Party, request: Request) -> None:
        """Raise NotFound unless what a request names may be seen; what else keeps it from being read is raised too."""
        asked = asked_of(request)
        content = await self._get(party, request, asked, asked.url_at(party.line.member.base))
        await self._clear(party, request, asked, [content])

    async def _party(
        self, service: Service, request: Request, asked: Asked
    ) -> tuple[Admission | None, Party]:
        """Return the member as the caller reaches it; raise NotFound, Forbidden, or NotSupported where it cannot."""
        admission, parties = await self.reach.members(service, request, "r")
        party = next((each for each in parties if each.line.member.id == asked.member), None)
        if party is None:
            raise no_member(asked.member)
        asked.check(party.capabilities)
        return admission, party

    async def _get(self, party: Party, request: Request, asked: Asked, url: str) -> bytes:
        until = deadline_of(request)
        try:
            return await party.line.get(url, headers_of(request), until=until)
        except Absent as absent:
            # Of what was deleted nobody can tell whether the caller might have seen it.
            hidden = absent if party.clearing is None else Absent("unsupported", "")
            raise asked.error(hidden) from absent
        except Failed as failure:
            raise asked.error(failure) from failure

    async def _clear(
        self, party: Party, request: Request, asked: Asked, resources: Sequence[bytes]
    ) -> None:
        """Raise NotFound unless all of these versions may be shown, as if the resource were not there."""
        if party.clearing is None:
            return
        key = asked.resource
        address = f"{party.line.member.base}/{key}"
        found = tuple(Match(address, each, key.type, key.id) for each in resources)
        until = deadline_of(request)
        try:
            for each in found:
                page = MemberPage((each,), (), None, None, frozenset(), warned=False)
                if not (await party.clearing.cleared(page, until=until)).matches:
                    raise Absent("unsupported", "")
            if not found:
                raise Absent("unsupported", "")
        except Failed as failure:
            raise asked.error(failure) from failure


def _record(request: Request, admission: Admission | None, party: Party, asked: Asked) -> None:
    """Have the event name the member, and the patients of this server whom the answer tells of."""
    if admission is None or request.recording is None:
        return
    address = f"{party.line.member.base}/{asked.resource}"
    request.recording.note = f"members: {party.line.member.id} ok"
    request.recording.patients = tuple(sorted(admission.judge.shown.get(address, ())))
