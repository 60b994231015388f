"""Searches and histories as Bundles, page by page: https://hl7.org/fhir/R4/http.html#paging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import quote, urlencode

import msgspec
from msgspec.structs import replace

from fhir_server.audit.publishing import Publisher
from fhir_server.fhir.bundle import Entry, Link, Response, SearchMode, bundle_bytes, found_entries
from fhir_server.fhir.bundle import Request as Asked
from fhir_server.fhir.instants import instant
from fhir_server.fhir.json import dump
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Key, Stored
from fhir_server.interactions.call import AUDIT_EVENT
from fhir_server.interactions.contained import container_of
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
from fhir_server.storage.pages import Position, Row

CURSOR = "_cursor"
_BESIDE = HOW_TO_ANSWER | {CURSOR}
"""Parameters that are no part of what is asked for."""
_ON_TYPE = 2
"""Segments of the address of an operation on a type: `Observation/$lastn`."""
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


async def _published(publisher: Publisher, resource_type: str | None, pairs: Pairs) -> None:
    """Have all AuditEvents made where a listing names them; raise TooCostly if that takes too long."""
    if resource_type == AUDIT_EVENT or any(AUDIT_EVENT in text for pair in pairs for text in pair):
        await publisher.caught_up()


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
    named = dict(reversed(pairs))
    if EXPLAIN in named and may_explain(service, request):
        return await explanation(service, request, resource_type, pairs, owner=owner)
    place = resource_type or "" if owner is None else f"{owner}/{resource_type or '*'}"
    if service.publisher is not None:
        await _published(service.publisher, resource_type, pairs)
    page, force = _page(service, request, place, pairs, named), service.register.current
    found = await search(
        service.call(request),
        resource_type,
        page.asked,
        after=page.after,
        now=page.moment,
        owner=owner,
    )
    if found.stamp is None or not force.holds_at(found.stamp):
        await service.register.check(force)
    query = found.query
    projection = service.projector.projection(resource_type, query.summary, query.elements)
    entries = _found_entries(service, request, "match", found.rows, projection)
    if found.included:
        entries += _found_entries(service, request, "include", found.included, projection)
    body = bundle_bytes(
        "searchset",
        id=service.new_id(),
        last_updated=instant(page.now),
        total=found.total if found.total_exact or query.total == "estimate" else None,
        links=page.links(service, query.applied, found.next),
        found=entries,
        entries=_told(found.issues) if found.issues else (),
    )
    shown = () if request.recording is None else _shown(found.rows, found.included)
    return Answer(200, body, shown=shown)


async def operation_page(
    service: Service, request: Request, operation: Operation, pairs: Pairs
) -> Answer:
    """Return the resource that an operation tells, or one page of what it lists, linked as by GET."""
    page = _page(service, request, "/".join(request.segments), pairs, dict(reversed(pairs)))
    operation.check(page.asked)
    if service.publisher is not None:
        await _published(service.publisher, None, pairs)
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
        found=[
            *_found_entries(service, request, "match", listed.matches),
            *_found_entries(service, request, "include", listed.included),
        ],
        entries=_told(listed.issues) if listed.issues else (),
    )
    shown = () if request.recording is None else _shown(listed.matches, listed.included)
    return Answer(200, body, shown=shown)


async def history_page(
    service: Service, request: Request, resource_type: str | None, logical_id: str | None
) -> Answer:
    """Return one page of the history of a resource, a type or everything."""
    if service.publisher is not None:
        await _published(service.publisher, resource_type, ())
    named = dict(reversed(request.pairs))
    page = _page(service, request, "/".join(request.segments), request.pairs, named)
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


def _page(
    service: Service, request: Request, place: str, pairs: Pairs, named: Mapping[str, str]
) -> _Page:
    """Return which page is asked for; `named` has the first value of each parameter."""
    now = service.clock()
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
    service: Service,
    request: Request,
    mode: SearchMode,
    rows: Sequence[Row],
    projection: Projection | None = None,
) -> list[bytes]:
    if projection is not None:
        included = mode == "include"
        cut = partial(service.projector.project, projection=projection, included=included)
        rows = [replace(each, body=cut(each.body)) for each in rows]
    return found_entries(request.base_url, rows, mode)


def _told(issues: Sequence[Issue]) -> list[Entry]:
    return [Entry(resource=outcome_bytes(issues), mode="outcome")]


def _shown(matches: Sequence[Row], included: Sequence[Row]) -> tuple[Stored, ...]:
    """Return what is shown, for the record of it."""
    return tuple([container_of(row) for rows in (matches, included) for row in rows])


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
