"""The endpoints of the authorization server for machines: token, introspection, revocation, keys, metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import msgspec
from fastapi import FastAPI, Request, Response

from fhir_server.audit.event import Agent, Event
from fhir_server.audit.trail import Trail
from fhir_server.auth.compact import opened
from fhir_server.auth.server.authentication import Shown
from fhir_server.auth.server.errors import (
    InvalidClient,
    InvalidRequest,
    OAuthError,
    TooManyAttempts,
)
from fhir_server.auth.server.metadata import published
from fhir_server.auth.server.server import AuthorizationServer
from fhir_server.auth.server.site import PREFIX
from fhir_server.auth.tokens import TYPES, Claims
from fhir_server.fhir.errors import Unavailable
from fhir_server.web.app import QUIET

LARGEST = 64 * 1024
"""Bytes of a form."""

_DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")
_FORM = "application/x-www-form-urlencoded"
_HEADERS = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Apps in browsers ask from their own origins; no cookie has a part in it.
    "Access-Control-Allow-Origin": "*",
}
_PREFLIGHT = {
    **_HEADERS,
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type",
    "Access-Control-Max-Age": "86400",
}
_KEPT = {**_HEADERS, "Cache-Control": "public, max-age=600"}
"""For what is published: others read it again after ten minutes, as this server does with theirs."""
del _KEPT["Pragma"]

Answering: TypeAlias = Callable[[Shown, int], Awaitable[Mapping[str, Any] | None]]


def oauth_application(
    server: AuthorizationServer,
    clock: Callable[[], int],
    trail: Trail | None = None,
) -> FastAPI:
    """Return the endpoints; `clock` gives microseconds since 1970, `trail` records who gets tokens."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, telemetry=QUIET)
    _add_documents(app, server, clock)
    answering: dict[str, Answering] = {
        "token": _token(server, trail),
        "introspect": lambda shown, now: server.endpoints.introspect(shown, now=now),
        "revoke": lambda shown, now: server.endpoints.revoke(shown, now=now),
    }
    for name, answer in answering.items():
        app.add_api_route(f"{PREFIX}/{name}", _endpoint(answer, clock), methods=["POST"])
    for path in (*(f"{PREFIX}/{name}" for name in (*answering, "jwks")), *_DOCUMENTS):
        app.add_api_route(path, _preflight, methods=["OPTIONS"])
    return app


def _add_documents(app: FastAPI, server: AuthorizationServer, clock: Callable[[], int]) -> None:
    async def metadata() -> Response:
        """Tell what this server offers, and where."""
        return _json(published(server.site), headers=_KEPT)

    for path in _DOCUMENTS:
        app.add_api_route(path, metadata, methods=["GET", "HEAD"])

    @app.api_route(f"{PREFIX}/jwks", methods=["GET", "HEAD"])
    async def jwks() -> Response:
        """Publish the public keys."""
        return _json(await server.keys.jwks(now=clock()), headers=_KEPT)


def _token(server: AuthorizationServer, trail: Trail | None) -> Answering:
    """Return what gives tokens, and records to whom, or that somebody was refused."""

    async def answer(shown: Shown, now: int) -> Mapping[str, Any]:
        try:
            told = await server.endpoints.token(shown, now=now)
        except TooManyAttempts:
            # Those that counted are recorded.
            raise
        except OAuthError as error:
            await _record(trail, shown, now, status=error.status, note=error.error)
            raise
        await _record(trail, shown, now, agent=_agent(told["access_token"]))
        return told

    return answer


async def _record(  # noqa: PLR0913 - an event has so many parts
    trail: Trail | None,
    shown: Shown,
    now: int,
    *,
    status: int = 200,
    agent: Agent | None = None,
    note: str = "",
) -> None:
    if trail is not None:
        asked = "POST auth/token"
        await trail.record(
            Event(now, "token", status, "", asked, agent, address=shown.address, note=note)
        )


def _agent(token: str) -> Agent:
    """Return who may use a token."""
    said = opened(token, Claims, types=TYPES).claims
    return Agent(
        said.iss,
        said.sub,
        said.client_id,
        said.organisation,
        said.role,
        said.purpose,
        said.patient,
    )


def _endpoint(
    answer: Answering, clock: Callable[[], int]
) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        try:
            told = await answer(await shown_by(request), clock())
        except OAuthError as error:
            return _refusal(error, request)
        except Unavailable as error:
            said = {"error": "temporarily_unavailable", "error_description": str(error)}
            return _json(said, status=503, headers={**_HEADERS, "Retry-After": "5"})
        return Response(headers=_HEADERS) if told is None else _json(told)

    return respond


async def _preflight() -> Response:
    return Response(status_code=204, headers=_PREFLIGHT)


async def shown_by(request: Request) -> Shown:
    """Return what a request brings; raise InvalidRequest for a body that is no form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise InvalidRequest(f"The body must be a form: Content-Type: {_FORM}.")
    if request.query_params:
        raise InvalidRequest("Parameters belong in the body: in a URL they would be kept in logs.")
    authorizations = request.headers.getlist("authorization")
    if len(authorizations) > 1:
        raise InvalidRequest("There is more than one header Authorization.")
    address = request.client.host if request.client else ""
    return Shown(await _form(request), next(iter(authorizations), None), address)


async def _form(request: Request) -> Mapping[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise InvalidRequest("The form is too large.")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise InvalidRequest("The form is not written as forms are.") from error
    twice = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    if twice:
        raise InvalidRequest("A parameter is said more than once.")
    # What is sent without a value is as what is not sent: https://www.rfc-editor.org/rfc/rfc6749#section-3.2
    return {name: value for name, value in pairs if value}


def _refusal(error: OAuthError, request: Request) -> Response:
    headers = dict(_HEADERS)
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.seconds)
    if isinstance(error, InvalidClient) and "authorization" in request.headers:
        headers["WWW-Authenticate"] = 'Basic realm="clients", charset="UTF-8"'
    said = {"error": error.error, "error_description": str(error)}
    return _json(said, status=error.status, headers=headers)


def _json(
    told: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] = _HEADERS
) -> Response:
    body = msgspec.json.encode(told)
    return Response(body, status, headers=headers, media_type="application/json")
