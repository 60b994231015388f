"""Searches and histories as Bundles, page by page: https://hl7.org/fhir/R4/http.html#paging."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TypeAlias
from urllib.parse import quote, urlencode

import msgspec
from msgspec.structs import replace

from fhir_server.fhir.bundle import Entry, Link, Response, SearchMode, bundle_bytes, found_entries
from fhir_server.fhir.bundle import Request as Asked
from fhir_server.fhir.instants import instant
from fhir_server.fhir.json import dump
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Key, Stored
from fhir_server.interactions.call import AUDIT_EVENT
from fhir_server.interactions.history import history, history_scope
from fhir_server.interactions.search import search
from fhir_server.operations.operation import Invocation, Operation, Told
from fhir_server.rest.answer import Answer, etag
from fhir_server.rest.cursors import Cursor, scope_of
from fhir_server.rest.explaining import EXPLAIN, explanation, may_explain
from fhir_server.rest.projection import Projection
from fhir_server.rest.rendering import outcome_bytes
from fhir_server.rest.request import HOW_TO_ANSWER, Pairs, Request
from fhir_server.rest.service import Service
from fhir_server.storage.contract import Position, Row

CURSOR = "_cursor"
_BESIDE = HOW_TO_ANSWER | {CURSOR}
"""Parameters that are no part of what is asked for."""
_ON_TYPE = 2
"""Segments of the address of an operation on a type: `Observation/$lastn`."""
_Modes: TypeAlias = Iterable[tuple[SearchMode, Sequence[Row]]]
_MADE = {"POST": "201 Created", "DELETE": "204 No Content"}


class _Page(msgspec.Struct, frozen=True):
    """Which page of a listing is asked for; `place` is the path that it is listed at."""

    request: Request
    place: str
    asked: Pairs
    cursor: str
    after: Position | None
    moment: int
    now: int

    def links(self, service: Service, applied: Pairs, after: Position | None) -> list[Link]:
        """Return the links to this page, the first and the next."""
        query = self._query(applied)
        first = f"{self.request.base_url}/{self.place}" + ("?" + query if query else "")
        further = first + ("&" if query else "?") + CURSOR + "="
        links = [Link("self", further + self.cursor if self.cursor else first)]
        if self.cursor:
            links.append(Link("first", first))
        if after is not None:
            scope = scope_of(self.place, applied, principal=self.request.principal)
            cursor = service.cursors.seal(Cursor(after, self.moment), scope, now=self.now)
            links.append(Link("next", further + cursor))
        return links

    def _query(self, applied: Pairs) -> str:
        """Return the query of what was applied: as it was sent, where all of it counts."""
        request = self.request
        if applied == self.asked and request.method == "GET" and not self.cursor:
            return request.query
        return urlencode((*applied, *request.form), safe="/:,$", quote_via=quote)


async def _published(service: Service, resource_type: str | None, pairs: Pairs) -> None:
    """Have all AuditEvents made where a listing names them; raise TooCostly if that takes too long."""
    if service.publisher is not None and (
        resource_type == AUDIT_EVENT or any(AUDIT_EVENT in text for pair in pairs for text in pair)
    ):
        await service.publisher.caught_up()


async def search_page(
    service: Service,
    request: Request,
    resource_type: str | None,
    pairs: Pairs,
    *,
    owner: Key | None = None,
) -> Answer:
    """Return one page of a search, in the compartment of an owner where there is one.

    The links of a POST are those of the GET for the same.
    """
    if EXPLAIN in dict(pairs) and may_explain(service, request):
        return await explanation(service, request, resource_type, pairs, owner=owner)
    place = resource_type or "" if owner is None else f"{owner}/{resource_type or '*'}"
    await _published(service, resource_type, pairs)
    page, force = _page(service, request, place, pairs), service.register.current
    found = await search(
        service.call(request),
        resource_type,
        page.asked,
        after=page.after,
        now=page.moment,
        owner=owner,
    )
    await service.register.check(force, found.stamp)
    query = found.query
    projection = service.projector.projection(resource_type, query.summary, query.elements)
    body = bundle_bytes(
        "searchset",
        id=service.new_id(),
        last_updated=instant(page.now),
        total=found.total if found.total_exact or query.total == "estimate" else None,
        links=page.links(service, query.applied, found.next),
        found=_found_entries(service, request, _modes(found.rows, found.included), projection),
        entries=_told(found.issues),
    )
    return Answer(200, body, shown=_shown(request, found.rows, found.included))


async def operation_page(
    service: Service, request: Request, operation: Operation, pairs: Pairs
) -> Answer:
    """Return the resource that an operation tells, or one page of what it lists, linked as by GET."""
    page = _page(service, request, "/".join(request.segments), pairs)
    operation.check(page.asked)
    await _published(service, None, pairs)
    force = service.register.current
    logical_id = request.key.id if len(request.segments) > _ON_TYPE else None
    of_type = () if request.segments[0].startswith("$") else (request.type,)
    access = None if request.caller is None else request.caller.access
    asked = Invocation("".join(of_type), logical_id, page.asked, page.after, page.moment, access)
    needed = [each for each in of_type if each in operation.types]
    call = service.call(request).to(operation.rights, *needed)
    listed = await operation.run(call, asked)
    await service.register.check(force)
    if isinstance(listed, Told):
        return Answer(200, dump(listed.resource))
    body = bundle_bytes(
        "searchset",
        id=service.new_id(),
        last_updated=instant(page.now),
        total=listed.total,
        links=page.links(service, page.asked, listed.next),
        found=_found_entries(service, request, _modes(listed.matches, listed.included)),
        entries=_told(listed.issues),
    )
    return Answer(200, body, shown=_shown(request, listed.matches, listed.included))


async def history_page(
    service: Service, request: Request, resource_type: str | None, logical_id: str | None
) -> Answer:
    """Return one page of the history of a resource, a type or everything."""
    await _published(service, resource_type, ())
    page = _page(service, request, "/".join(request.segments), request.pairs)
    scope, count = history_scope(resource_type, logical_id, page.asked, sizes=service.limits.pages)
    projection = service.projector.projection_in(resource_type, page.asked)
    found = await history(service.call(request), scope, count=count, after=page.after)
    body = bundle_bytes(
        "history",
        id=service.new_id(),
        last_updated=instant(page.now),
        total=None,
        links=page.links(service, page.asked, found.next),
        entries=[
            _version_entry(service, request.base_url, each, projection) for each in found.versions
        ],
    )
    return Answer(200, body, shown=tuple(found.versions))


def _page(service: Service, request: Request, place: str, pairs: Pairs) -> _Page:
    now = service.clock()
    named = dict(reversed(pairs))
    asked = pairs
    if not named.keys().isdisjoint(_BESIDE):
        asked = tuple(pair for pair in pairs if pair[0] not in _BESIDE)
    text = named.get(CURSOR)
    if text is None:
        return _Page(request, place, asked, "", None, now, now)
    scope = scope_of(place, asked, principal=request.principal)
    cursor = service.cursors.open(text, scope, now=now)
    return _Page(request, place, asked, text, cursor.position, cursor.moment, now)


def _found_entries(
    service: Service, request: Request, found: _Modes, projection: Projection | None = None
) -> list[bytes]:
    entries: list[bytes] = []
    for mode, rows in found:
        stored = [row.stored for row in rows]
        if projection is not None:
            cut = partial(
                service.projector.project, projection=projection, included=mode == "include"
            )
            stored = [replace(each, body=cut(each.body or b"")) for each in stored]
        entries += found_entries(request.base_url, stored, mode)
    return entries


def _told(issues: Sequence[Issue]) -> list[Entry]:
    return [Entry(resource=outcome_bytes(issues), mode="outcome")] if issues else []


def _shown(request: Request, matches: Sequence[Row], included: Sequence[Row]) -> tuple[Stored, ...]:
    """Return what is shown, for the record of it, where there is one."""
    if request.recording is None:
        return ()
    return tuple([row.stored for rows in (matches, included) for row in rows])


def _modes(matches: Sequence[Row], included: Sequence[Row]) -> _Modes:
    return (("match", matches), ("include", included))


def _version_entry(
    service: Service, base_url: str, stored: Stored, projection: Projection | None
) -> Entry:
    body = stored.body
    if body is not None and projection is not None:
        body = service.projector.project(body, projection)
    url = stored.key.type if stored.method == "POST" else str(stored.key)
    status = _MADE.get(stored.method) or ("201 Created" if stored.version == 1 else "200 OK")
    tag, moment = etag(stored.version), instant(stored.moment)
    return Entry(
        f"{base_url}/{stored.key}",
        body,
        request=Asked(stored.method, url),
        response=Response(status, etag=tag, last_modified=moment),
    )
