"""The applications beside FHIR, each made when it is first asked, as no node has to wait for it to start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_server.rest.service import Service
from fhir_server.web.metrics import Metrics
from fhir_server.web.start import About, Federation

if TYPE_CHECKING:
    # A node without tokens needs none of it, and would start later.
    from fhir_server.auth.identity.provider import IdentityProvider
    from fhir_server.auth.server.server import AuthorizationServer

SIGN_IN_PATHS = ("/auth/", "/.well-known/o", "/members")
"""How the addresses of the authorization server begin."""


def pages_application(
    about: About, ready: Callable[[], Awaitable[object]], told: Metrics
) -> ASGIApp:
    """Return the start page, health and metrics."""

    async def make() -> ASGIApp:
        # FastAPI takes a seventh of a node's start.
        from fhir_server.web.app import web_application  # noqa: PLC0415

        return web_application(about, ready=ready, told=told)

    return _Later(make)


def sign_in_application(
    server: AuthorizationServer,
    service: Service,
    providers: Mapping[str, IdentityProvider],
    federation: Callable[[], Federation | None],
) -> ASGIApp:
    """Return the authorization server: its pages for people, and its endpoints for machines."""

    async def make() -> ASGIApp:
        from fhir_server.web.authorization.desk import desk_of  # noqa: PLC0415
        from fhir_server.web.authorization.pages import pages  # noqa: PLC0415
        from fhir_server.web.oauth import oauth_application  # noqa: PLC0415

        app = oauth_application(server, service.clock, service.trail)
        desk = await desk_of(server, service, providers, federation)
        app.include_router(pages(desk))
        return app

    return _Later(make)


class _Later:
    """What `make` gives, made once; where that fails, the next request is another attempt."""

    def __init__(self, make: Callable[[], Awaitable[ASGIApp]]) -> None:
        self._make = make
        self._made: ASGIApp | None = None
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        app = self._made or await self._make_once()
        await app(scope, receive, send)

    async def _make_once(self) -> ASGIApp:
        async with self._turn:
            if self._made is None:
                self._made = await self._make()
            return self._made
