"""The FHIR API as an ASGI application: one request in, one answer out.

It stands before the framework, since routing in there costs more than a read by id.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from functools import lru_cache
from time import perf_counter
from typing import Any, TypeAlias

import msgspec

from fhir_server.audit.event import agent_of
from fhir_server.auth.caller import Callers
from fhir_server.fhir.errors import BadRequest, FhirError, NotAcceptable, Unauthenticated
from fhir_server.rest.answer import Answer
from fhir_server.rest.bearer import caller_of
from fhir_server.rest.content import Disconnected, Receive, Streamed
from fhir_server.rest.cors import ANYWHERE, EVERY_ORIGIN
from fhir_server.rest.disclosing import EMERGENCY, admit, rule_of
from fhir_server.rest.naming import is_name
from fhir_server.rest.negotiation import Format, negotiate
from fhir_server.rest.recording import recorded, recording_of
from fhir_server.rest.rendering import error_answer, failure_answer
from fhir_server.rest.request import Request, query_text
from fhir_server.rest.routing import TemplateAt, answer_by, find, segments_of, template_at
from fhir_server.rest.sending import messages
from fhir_server.rest.service import Route, Service
from fhir_server.rest.telemetry import NO_ROUTE, Telemetry
from fhir_server.rest.tracing import names, trace_of

Scope: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_HOST = re.compile(rb"[A-Za-z0-9.\-_]{1,255}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


class Exchange(msgspec.Struct):
    """What is known of a request so far: enough to answer it even where the rest is unreadable."""

    method: str
    headers: Mapping[bytes, bytes]
    id: str
    trace: str = ""
    route: str = NO_ROUTE
    format: Format = Format.JSON
    pretty: bool = False
    readers: frozenset[str] = frozenset()


class FhirApplication:
    """Answers all that is below `prefix`; `new_request_id` names requests that come without a name.

    Where `new_trace` is given, those that come without a trace begin one.
    """

    def __init__(  # noqa: PLR0913 - options, each by keyword
        self,
        service: Service,
        telemetry: Telemetry,
        *,
        prefix: str,
        new_request_id: Callable[[], str],
        template_at: TemplateAt = template_at,
        new_trace: Callable[[], str] | None = None,
    ) -> None:
        self._service = service
        self._telemetry = telemetry
        self._prefix = prefix
        self._new_request_id = new_request_id
        self._template_at = template_at
        self._new_trace = new_trace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        began = perf_counter()
        headers = _by_name(scope["headers"])
        exchange = Exchange(
            scope["method"], headers, self._request_id(headers), self._trace(headers)
        )
        try:
            answer = await self._answer(exchange, scope, receive)
            try:
                start, body = await messages(self._service, exchange, answer)
            except NotAcceptable as error:
                # It has no form in the client's format.
                exchange.format, answer = Format.JSON, error_answer(error)
                start, body = await messages(self._service, exchange, answer)
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - the last resort: whatever it was, the client gets an answer
            self._telemetry.failed(error, exchange.route, exchange.id)
            exchange.format = Format.JSON
            answer = failure_answer(exchange.id)
            start, body = await messages(self._service, exchange, answer)
        # All requests of a turn of the event loop are answered before the first of their answers is sent: a system
        # call between them costs the processor what it has at hand of our code, and that is a quarter of a page.
        await asyncio.sleep(0)
        await send(start)
        await send(body)
        self._telemetry.completed(
            exchange.method,
            exchange.route,
            answer.status,
            perf_counter() - began,
            exchange.id,
            **names(headers, exchange.trace),
        )

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive) -> Answer:
        try:
            request = self._request(exchange, scope, receive)
            if exchange.method == "OPTIONS":
                return self._options(exchange, request)
            # First, so that a refusal is written in the client's format too.
            self._negotiate(exchange, request)
            route = find(self._service, request, self._template_at)
            exchange.route = route.template
            service = self._service
            trail = service.trail
            if service.callers is None or route.open:
                answering = answer_by(route, service, request)
            else:
                answering = self._admitted(service.callers, route, request, exchange)
            if trail is None or route.open:
                return await answering
            request.recording = recording_of(
                route,
                request,
                request_id=exchange.id,
                address=_address(scope),
                moment=self._service.clock(),
            )
            return await recorded(trail, request.recording, request, answering)
        except FhirError as error:
            return error_answer(error)

    async def _admitted(
        self, callers: Callers, route: Route, request: Request, exchange: Exchange
    ) -> Answer:
        """Answer a caller who is known by a token, and judged."""
        now = self._service.clock()
        try:
            caller = await caller_of(callers, request, now=now)
        except Unauthenticated:
            # It is the same for everybody, and tells an app to get a new token.
            exchange.readers = EVERY_ORIGIN if callers.knows_apps else frozenset()
            raise
        exchange.readers = caller.origins
        recording = request.recording
        if recording is not None:
            recording.agent = agent_of(caller.access)
            recording.rule = ""
        if not route.judged:
            request.caller = caller
            return await answer_by(route, self._service, request)
        await admit(self._service, request, caller, now=now)
        if recording is not None:
            recording.rule = (
                EMERGENCY if request.emergency else rule_of(self._service, request.audience)
            )
            recording.audience = request.audience
            recording.emergency = tuple(sorted(request.emergency))
        return await answer_by(route, self._service, request)

    def _request(self, exchange: Exchange, scope: Scope, receive: Receive) -> Request:
        headers, query = exchange.headers, scope["query_string"]
        host = headers.get(b"host", b"")
        return Request(
            exchange.method,
            segments_of(scope["path"][len(self._prefix) :]),
            query_text(query) if query else "",
            headers,
            self._service.base_url or _base_url(scope["scheme"], host, self._prefix),
            Streamed(receive, headers.get(b"content-length"), self._service.limits.body),
            name=exchange.id,
            trace=exchange.trace,
        )

    def _negotiate(self, exchange: Exchange, request: Request) -> None:
        asked = ""
        # Of what is said twice, the first counts.
        for name, value in reversed(request.pairs):
            if name == "_format":
                asked = value
            elif name == "_pretty":
                exchange.pretty = value == "true"
        try:
            exchange.format = negotiate(request.header(b"accept"), asked)
        except NotAcceptable:
            # The content of a Binary has whatever type it has, and the SMART configuration is JSON.
            free = request.segments[:1] in (("Binary",), (".well-known",))
            if not free or request.method not in {"GET", "HEAD"}:
                raise

    def _options(self, exchange: Exchange, request: Request) -> Answer:
        exchange.route = self._template_at(self._service, request)
        served = self._service.routes[exchange.route]
        callers = self._service.callers
        # Before a token is sent nobody is known: whose pages may read is told with the answer.
        is_asked = callers is not None and (
            callers.knows_apps or any(each.open for each in served.values())
        )
        allowed = ANYWHERE if is_asked else self._service.cross_origin
        methods = ", ".join((*sorted(served), "OPTIONS")).encode()
        return Answer(204, headers=((b"allow", methods), *allowed.preflight(exchange.headers)))

    def _trace(self, headers: Mapping[bytes, bytes]) -> str:
        given = trace_of(headers) if b"traceparent" in headers else ""
        return self._new_trace() if self._new_trace is not None and not given else given

    def _request_id(self, headers: Mapping[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id")
        if given is not None and is_name(given):
            return given.decode()
        return self._new_request_id()


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


@lru_cache(maxsize=64)
def _base_url(scheme: str, host: bytes, prefix: str) -> str:
    if not _HOST.fullmatch(host):
        raise BadRequest("The Host header names no host.")
    return f"{scheme}://{host.decode()}{prefix}"


def _by_name(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Return headers by name; what is sent twice is one list, so that two hosts are no host."""
    found = dict(headers)
    if len(found) == len(headers):
        return found
    found.clear()
    for name, value in headers:
        found[name] = found[name] + b", " + value if name in found else value
    return found
