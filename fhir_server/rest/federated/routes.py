"""The addresses of the hub's FHIR base: https://hl7.org/fhir/R4/http.html, as far as members can answer together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import get_args

from fhir_server.conformance.capability import (
    Interactions,
    Security,
    Software,
    capability_statement,
)
from fhir_server.federation.accounts import outcome_of
from fhir_server.federation.crossing import crossings
from fhir_server.federation.cursors import FederatedCursor
from fhir_server.federation.dividing import check_served
from fhir_server.federation.duplicates import Duplicates, Mode
from fhir_server.federation.hub import Hub
from fhir_server.federation.joined import Joined
from fhir_server.federation.joining import joined
from fhir_server.federation.referring import referring
from fhir_server.federation.search import (
    Federated,
    Party,
    Question,
    federated_count,
    federated_search,
)
from fhir_server.federation.sparing import spared, tell_as_of
from fhir_server.federation.statement import told_by_member
from fhir_server.federation.writes import Writes
from fhir_server.fhir.errors import NotSupported
from fhir_server.fhir.instants import instant
from fhir_server.fhir.json import dump
from fhir_server.fhir.outcome import Issue
from fhir_server.rest.answer import Answer
from fhir_server.rest.bodies import form_of
from fhir_server.rest.conditional import DEDUPLICATE, Preferences, preferences
from fhir_server.rest.cursors import scope_of
from fhir_server.rest.federated.callers import Admission, admitted, concerned, told_of
from fhir_server.rest.federated.instances import (
    MEMBER_READ,
    MEMBER_SEARCH,
    MEMBER_SEARCH_FORM,
    no_member,
    searched,
    template_below_member,
)
from fhir_server.rest.federated.membership import DEFINITIONS, Membership
from fhir_server.rest.federated.pages import Shown, page_bytes
from fhir_server.rest.federated.reaching import Reach, deadline_of, headers_of
from fhir_server.rest.federated.reading import MemberReading
from fhir_server.rest.federated.writing import METHODS, line_to_write, target_of, write
from fhir_server.rest.paging import CURSOR
from fhir_server.rest.request import HOW_TO_ANSWER, Pairs, Request
from fhir_server.rest.routing import NotServed, table, template_of
from fhir_server.rest.service import Route, Routes, Service
from fhir_server.rest.smart import oauth_uris, open_to_pages
from fhir_server.search.declaring import extension_of, own_abilities
from fhir_server.search.parsing import Query, parse_query


@dataclass(frozen=True, slots=True)
class Federation:
    """Serves the hub's base; `key` is a secret of its store, by which people are named."""

    reach: Reach
    duplicates: Duplicates
    writes: Writes
    key: bytes

    @property
    def hub(self) -> Hub:
        """The members, as they stand."""
        return self.reach.hub

    def routes(self) -> Routes:
        """Return what is served."""
        return table(
            (
                Route("GET", "/[type]", self.search, ("search-type",)),
                Route("POST", "/[type]/_search", self.search_by_form, ("search-type",)),
                Route("GET", MEMBER_SEARCH, self.search, ("search-type",)),
                Route("POST", MEMBER_SEARCH_FORM, self.search_by_form, ("search-type",)),
                Route("GET", "/metadata", self.metadata, (), open=True),
                Route("GET", "/jwks", self.keys, (), open=True),
                *MemberReading(self.reach).routes(),
                *(Route(each, MEMBER_READ, self.write, (code,)) for each, code in METHODS.items()),
                *Membership(self.hub).routes(),
            )
        )

    def template_at(self, service: Service, request: Request) -> str:
        """Return the template of an address: what is below `[member]` is one here too; raise NotFound."""
        found = self._template(service, request)
        if found not in service.routes:
            raise NotServed(
                f"{'/' + '/'.join(request.segments)[:70]!r} is not served for all members at once; search is, at [type], "
                "and one member's resource is at [member]/[type]/[id]: GET metadata lists what is."
            )
        return found

    def _template(self, service: Service, request: Request) -> str:
        operation = f"/{'/'.join(request.segments)}"
        if operation in service.routes:
            return operation
        below = template_below_member(request.segments, service.types)
        return below or template_of(request.segments, service.types)

    async def search(self, service: Service, request: Request) -> Answer:
        """Serve `GET [type]`, and `GET [member]/[type]`: of that member alone."""
        return await self._search(service, request, request.pairs)

    async def search_by_form(self, service: Service, request: Request) -> Answer:
        """Serve `POST [type]/_search` and `POST [member]/[type]/_search`."""
        return await self._search(service, request, (*request.pairs, *await form_of(request)))

    async def keys(self, service: Service, _: Request) -> Answer:
        """Serve `GET jwks`: the keys by which members know this server, its assertions' own."""
        told = await self.reach.tokens.keys.jwks(now=service.clock(), uses=("assertion",))
        return Answer(200, dump(told), media_type="application/json")

    async def write(self, service: Service, request: Request) -> Answer:
        """Serve `PUT` and `PATCH [member]/[type]/[id]`, for the types that are listed: the member's bytes."""
        target = target_of(request, self.writes)
        admission = None
        if request.caller is not None:
            admission = admitted(service, request, "ru", self.reach.enforcement)
        parties = await self.hub.parties(service.register.current.extractor, now=service.clock())
        party = next((each for each in parties if each.line.member.id == target.member), None)
        if party is None:
            raise no_member(target.member)
        if admission is not None:
            # Nothing is written over that the writer may not see here: its answer would tell of it.
            seeing = admission.to_one(party, self.reach.tokens, headers_of(request))
            await MemberReading(self.reach).check_seen(seeing, request)
        if request.recording is not None:
            request.recording.note = f"members: {target.member}"
        reaching = line_to_write(party.line, request, admission, self.reach.tokens)
        return await write(reaching, target, request, until=deadline_of(request))

    async def metadata(self, service: Service, request: Request) -> Answer:
        """Serve `GET metadata`: the types that members search."""
        definitions = service.register.current.definitions
        parties = await self.hub.parties(service.register.current.extractor, now=service.clock())
        types = {each for party in parties for each in party.capabilities.types}
        told = {party.line.member.id: party.capabilities for party in parties}
        statement = capability_statement(
            definitions,
            types=types & service.types,
            interactions=Interactions(
                ("search-type",),
                (),
                everywhere=DEFINITIONS,
                extensions=[extension_of(own_abilities(service.limits.pages.most))],
            ),
            software=Software(service.version, instant(service.started), request.base_url),
            security=Security(service.answers_pages, await oauth_uris(service)),
        )
        body = dump(told_by_member(statement, told))
        return Answer(200, body, headers=open_to_pages(service, request))

    async def _search(self, service: Service, request: Request, pairs: Pairs) -> Answer:
        now, extractor = service.clock(), service.register.current.extractor
        asked = tuple(pair for pair in pairs if pair[0] not in {CURSOR, *HOW_TO_ANSWER})
        handle = next((value for name, value in pairs if name == CURSOR), None)
        path = searched(request.segments)
        scope = scope_of("/".join(("federated", *path)), asked, principal=request.principal)
        cursor = None if handle is None else await self.hub.cursor(handle, scope, now=now)
        preferred = preferences(request.header(b"prefer"))
        moment = now if cursor is None else cursor.moment
        query = _understood(service, path[-1], asked, moment, lenient=preferred.lenient)
        admission, parties = await self.reach.members(service, request, "s")
        parties = _addressed(parties, path)
        question = Question(
            query,
            path[-1],
            extractor.definitions,
            headers_of(request),
            moment,
            deadline_of(request),
            self.duplicates.known_by(_mode(preferred)),
        )
        if admission is not None:
            _check_joined(admission, question, parties)
        if cursor is None:
            shapes = self.reach.shapes
            parties = spared(question, await joined(question, parties, shapes), shapes)
        if query.only_count:
            _check_counted(question)
            found = await federated_count(question, parties)
        else:
            found = await federated_search(question, parties, cursor)
        tell_as_of(found.accounts, parties)
        self.hub.saw(found, cursor)
        address = "/".join((request.base_url, *path))
        projection = service.projector.projection(path[-1], query.summary, query.elements)
        shown = Shown(
            service.new_id(),
            now,
            address,
            asked,
            service.projector,
            projection,
            blake2b(scope, key=self.key).digest(),
            cleared=admission is not None,
            said=crossings(question, parties),
        )
        _record(request, admission, found)
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
            outcome = outcome_of(found.accounts, [issue], cleared=shown.cleared)
            return Answer(503, dump(outcome))
        following, missing = await asyncio.gather(
            self._kept(found.cursor, scope, shown.now), self._kept(found.missing, scope, shown.now)
        )
        body = page_bytes(shown, found, following=following, missing=missing)
        applied = f"{DEDUPLICATE}{found.duplicates}".encode()
        told = () if found.duplicates == "off" else ((b"preference-applied", applied),)
        return Answer(200, body, headers=told)

    async def _kept(self, cursor: FederatedCursor | None, scope: bytes, now: int) -> str | None:
        return None if cursor is None else await self.hub.keep(cursor, scope, now=now)


def _lacking(found: Federated, parties: Sequence[Party], *, strict: bool) -> list[str]:
    """Return the members without whom there is to be no answer, and who did not give theirs."""
    required = {each.line.member.id for each in parties if strict or each.line.member.required}
    return [
        each.member for each in found.accounts if each.state != "ok" and each.member in required
    ]


def _addressed(parties: Sequence[Party], path: tuple[str, ...]) -> Sequence[Party]:
    """Return the members that a search is asked of: all, or the one that the path begins with; raise NotFound."""
    *members, _ = path
    found = [each for each in parties if not members or each.line.member.id == members[0]]
    if members and not found:
        raise no_member(members[0])
    return found


def _understood(
    service: Service, resource_type: str, asked: Pairs, moment: int, *, lenient: bool
) -> Query:
    """Return what is searched for; raise BadRequest or NotSupported for what members cannot be asked together."""
    extractor = service.register.current.extractor
    query = parse_query(
        resource_type,
        asked,
        extractor.definitions,
        now=moment,
        lenient=lenient,
        zone=extractor.zone.key,
        sizes=service.limits.pages,
    )
    check_served(query)
    return query


def _check_joined(admission: Admission, question: Question, parties: Sequence[Party]) -> None:
    """Raise NotSupported for what leads through resources that nobody here can decide on."""
    judge, followed, query = admission.judge, referring(question, parties), question.query
    for each in followed:
        judge.check_followed(each.source)
        judge.check_joined(each.query(question).plan.predicate)
    if followed:
        left = Joined(tuple(each.pair for each in followed), ()).rest(query).applied
        query = parse_query(question.resource_type, left, question.definitions, now=question.moment)
    judge.check_joined(query.plan.predicate)


def _mode(preferred: Preferences) -> Mode | None:
    """Return how a request wants duplicates to be known; as any preference, one that is not known is none."""
    return next((each for each in get_args(Mode) if each == preferred.deduplicate), None)


def _check_counted(question: Question) -> None:
    if question.duplicates.mode != "off":
        raise NotSupported(
            "Members count what they hold, duplicates among them: _summary=count goes with Prefer: deduplicate=off"
        )


def _record(request: Request, admission: Admission | None, found: Federated) -> None:
    """Have the one event of a search name the members, and the patients of this server whom it told of."""
    if request.recording is not None:
        request.recording.note = told_of(found)
        if admission is not None:
            request.recording.patients = concerned(admission.judge, found)
