"""The authorization server as an application: made when it is first asked for, as no node has to wait for it to start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_server.rest.service import Service
from fhir_server.web.start import Federation

if TYPE_CHECKING:
    # A node without tokens needs none of it, and would start later.
    from fhir_server.auth.identity.provider import IdentityProvider
    from fhir_server.auth.server.server import AuthorizationServer

PATHS = ("/auth/", "/.well-known/o", "/members")
"""How its addresses begin."""


class SignIn:
    """Its pages for people, and its endpoints for machines."""

    def __init__(
        self,
        server: AuthorizationServer,
        service: Service,
        providers: Mapping[str, IdentityProvider],
        federation: Callable[[], Federation | None],
    ) -> None:
        self._server = server
        self._service = service
        self._providers = providers
        self._federation = federation
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

    async def _make(self) -> ASGIApp:
        from fhir_server.web.authorization.desk import desk_of  # noqa: PLC0415
        from fhir_server.web.authorization.pages import pages  # noqa: PLC0415
        from fhir_server.web.oauth import oauth_application  # noqa: PLC0415

        app = oauth_application(self._server, self._service.clock, self._service.trail)
        desk = await desk_of(self._server, self._service, self._providers, self._federation)
        app.include_router(pages(desk))
        return app
