"""The addresses of the hub's FHIR base: https://hl7.org/fhir/R4/http.html, as far as members can answer together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex

from fhir_server.conformance.capability import (
    Interactions,
    Security,
    Software,
    capability_statement,
)
from fhir_server.federation.accounts import outcome_of
from fhir_server.federation.cursors import FederatedCursor
from fhir_server.federation.dividing import check_served
from fhir_server.federation.hub import HEADERS, Hub
from fhir_server.federation.search import (
    Federated,
    Party,
    Question,
    federated_count,
    federated_search,
)
from fhir_server.federation.statement import told_by_member
from fhir_server.federation.transport import Failed
from fhir_server.fhir.errors import BadRequest, Forbidden, MethodNotAllowed, shown
from fhir_server.fhir.instants import instant
from fhir_server.fhir.json import dump
from fhir_server.fhir.outcome import Issue
from fhir_server.rest.answer import Answer
from fhir_server.rest.bodies import form_of
from fhir_server.rest.conditional import preferences
from fhir_server.rest.cursors import scope_of
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
    template_below_member,
)
from fhir_server.rest.federated.membership import DEFINITIONS, Membership
from fhir_server.rest.federated.pages import Shown, page_bytes
from fhir_server.rest.paging import CURSOR
from fhir_server.rest.request import HOW_TO_ANSWER, Pairs, Request
from fhir_server.rest.routing import NotServed, table, template_of
from fhir_server.rest.service import Route, Routes, Service
from fhir_server.rest.tracing import forwarded
from fhir_server.search.parsing import parse_query

DEADLINE = b"x-request-deadline"
"""A header: the seconds after which the caller does not wait any more."""

SECONDS, SHORTEST, LONGEST = 5.0, 0.1, 60.0


@dataclass(frozen=True, slots=True)
class Federation:
    """Serves the hub's base."""

    hub: Hub

    def routes(self) -> Routes:
        """Return what is served."""
        return table(
            (
                Route("GET", "/[type]", self.search, ("search-type",)),
                Route("POST", "/[type]/_search", self.search_by_form, ("search-type",)),
                Route("GET", MEMBER_READ, self.read, ("read",)),
                Route("GET", MEMBER_HISTORY, self.history, ("history-instance",)),
                Route("GET", MEMBER_VREAD, self.vread, ("vread",)),
                Route("GET", MEMBER_METADATA, self.member_metadata, ()),
                Route("GET", "/metadata", self.metadata, (), open=True),
                *Membership(self.hub).routes(),
            )
        )

    def find(self, service: Service, request: Request) -> Route:
        """Return the route of a request: what is below `[member]` is an address here too; raise NotFound or MethodNotAllowed."""
        template = self._template(service, request)
        methods = service.routes.get(template, {})
        route = methods.get(request.method)
        if methods and route is None:
            allowed = (*sorted(methods), "OPTIONS")
            told = f"{request.method[:20]} is not served at {template}; {', '.join(allowed)} are."
            raise MethodNotAllowed(told, allowed)
        if route is None:
            raise NotServed(
                f"{'/'.join(request.segments)[:70]!r} is not served for all members at once; "
                "one member's resource is at [member]/[type]/[id]."
            )
        return route

    def _template(self, service: Service, request: Request) -> str:
        operation = f"/{'/'.join(request.segments)}"
        if operation in service.routes:
            return operation
        below = template_below_member(request.segments, service.types)
        return below or template_of(request.segments, service.types)

    async def search(self, service: Service, request: Request) -> Answer:
        """Serve `GET [type]`."""
        return await self._search(service, request, request.pairs)

    async def search_by_form(self, service: Service, request: Request) -> Answer:
        """Serve `POST [type]/_search`."""
        return await self._search(service, request, (*request.pairs, *await form_of(request)))

    async def read(self, service: Service, request: Request) -> Answer:
        """Serve `GET [member]/[type]/[id]`: the member's bytes."""
        asked = asked_of(request)
        content = await self._of_member(service, request, asked)
        return resource_answer(service, request, asked, content)

    async def vread(self, service: Service, request: Request) -> Answer:
        """Serve `GET [member]/[type]/[id]/_history/[vid]`: the member's bytes."""
        asked = asked_of(request)
        content = await self._of_member(service, request, asked)
        return resource_answer(service, request, asked, content)

    async def history(self, service: Service, request: Request) -> Answer:
        """Serve `GET [member]/[type]/[id]/_history`: the member's Bundle, its pages led through here."""
        asked = asked_of(request)
        now = service.clock()
        pairs = history_pairs(request)
        scope = scope_of("/".join(request.segments), pairs, principal=request.principal)
        handle = request.parameter(CURSOR)
        url = (await self.hub.place(handle, scope, now=now)).decode() if handle else ""
        content = await self._of_member(service, request, asked, url)
        found = asked.history(content, url or asked.url_at(self._base(asked)), self._base(asked))
        following = None
        if found.next is not None:
            following = await self.hub.keep_place(found.next.encode(), scope, now=now)
        return Answer(200, found.linked(history_links(request, pairs, following)))

    async def member_metadata(self, service: Service, request: Request) -> Answer:
        """Serve `GET [member]/metadata`: what that member declares itself."""
        return statement_answer(await self._of_member(service, request, asked_of(request)))

    async def _of_member(
        self, service: Service, request: Request, asked: Asked, url: str = ""
    ) -> bytes:
        """Return what a member answers, at the next page's URL where there is one; raise NotFound, Gone, NotSupported or Unavailable."""
        _check_caller(request)
        await self.hub.parties(service.register.current.extractor, now=service.clock())
        line = self.hub.line(asked.member)
        if line is None:
            raise no_member(asked.member)
        asked.check(self.hub.known(asked.member))
        try:
            return await line.get(
                url or asked.url_at(line.member.base), _headers(request), until=_deadline(request)
            )
        except Failed as failure:
            raise asked.error(failure) from failure

    def _base(self, asked: Asked) -> str:
        line = self.hub.line(asked.member)
        return "" if line is None else line.member.base

    async def metadata(self, service: Service, request: Request) -> Answer:
        """Serve `GET metadata`: the types that members search."""
        definitions = service.register.current.definitions
        parties = await self.hub.parties(service.register.current.extractor, now=service.clock())
        types = {each for party in parties for each in party.capabilities.types}
        told = {party.line.member.id: party.capabilities for party in parties}
        statement = capability_statement(
            definitions,
            types=types & service.types,
            interactions=Interactions(("search-type",), (), everywhere=DEFINITIONS),
            software=Software(service.version, instant(service.started), request.base_url),
            security=Security(bool(service.cross_origin.origins), None),
        )
        return Answer(200, dump(told_by_member(statement, told)))

    async def _search(self, service: Service, request: Request, pairs: Pairs) -> Answer:
        _check_caller(request)
        now, extractor = service.clock(), service.register.current.extractor
        asked = tuple(pair for pair in pairs if pair[0] not in {CURSOR, *HOW_TO_ANSWER})
        handle = next((value for name, value in pairs if name == CURSOR), None)
        scope = scope_of(f"federated/{request.type}", asked, principal=request.principal)
        cursor = None if handle is None else await self.hub.cursor(handle, scope, now=now)
        preferred = preferences(request.header(b"prefer"))
        moment = now if cursor is None else cursor.moment
        query = parse_query(
            request.type,
            asked,
            extractor.definitions,
            now=moment,
            lenient=preferred.lenient,
            zone=extractor.zone.key,
            sizes=service.limits.pages,
        )
        check_served(query)
        question = Question(
            query,
            request.type,
            extractor.definitions,
            _headers(request),
            moment,
            _deadline(request),
        )
        parties = await self.hub.parties(extractor, now=now)
        if query.only_count:
            found = await federated_count(question, parties)
        else:
            found = await federated_search(question, parties, cursor)
        self.hub.saw(found, cursor)
        address = f"{request.base_url}/{request.type}"
        projection = service.projector.projection(request.type, query.summary, query.elements)
        shown = Shown(service.new_id(), now, address, asked, service.projector, projection)
        return await self._answer(shown, found, parties, scope, strict=preferred.strict)

    async def _answer(
        self,
        shown: Shown,
        found: Federated,
        parties: Sequence[Party],
        scope: bytes,
        *,
        strict: bool,
    ) -> Answer:
        lacking = _lacking(found, parties, strict=strict)
        if lacking:
            issue = Issue("error", "transient", f"There is no answer without {', '.join(lacking)}")
            return Answer(503, dump(outcome_of(found.accounts, [issue])))
        body = page_bytes(
            shown,
            found,
            following=await self._kept(found.cursor, scope, shown.now),
            missing=await self._kept(found.missing, scope, shown.now),
        )
        return Answer(200, body)

    async def _kept(self, cursor: FederatedCursor | None, scope: bytes, now: int) -> str | None:
        return None if cursor is None else await self.hub.keep(cursor, scope, now=now)


def _lacking(found: Federated, parties: Sequence[Party], *, strict: bool) -> list[str]:
    """Return the members without whom there is to be no answer, and who did not give theirs."""
    required = {each.line.member.id for each in parties if strict or each.line.member.required}
    return [
        each.member for each in found.accounts if each.state != "ok" and each.member in required
    ]


def _check_caller(request: Request) -> None:
    if request.caller is not None:
        raise Forbidden(
            "Members are not told yet who asks, and for what: a federated search is served with auth=none alone."
        )


def _headers(request: Request) -> Mapping[str, str]:
    """Return what goes with each request to a member: both servers' logs know it by the same names."""
    told = forwarded(request.headers, request.id, request.trace, token_hex)
    return {**HEADERS, **told}


def _deadline(request: Request) -> float:
    """Return the moment of the event loop until which the caller waits; raise BadRequest."""
    text = request.header(DEADLINE)
    try:
        seconds = float(text) if text else SECONDS
    except ValueError:
        seconds = 0.0
    if not SHORTEST <= seconds <= LONGEST:
        raise BadRequest(
            f"X-Request-Deadline: {shown(text)} is no number of seconds from {SHORTEST} to {LONGEST:.0f}."
        )
    return asyncio.get_running_loop().time() + seconds
