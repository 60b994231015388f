"""The addresses of the pages, and what every one of them does alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from fastapi import APIRouter, Request, Response

from fhir_server.auth.server.errors import ShownError
from fhir_server.fhir.errors import FhirError
from fhir_server.web.authorization.choosing import choose_patient
from fhir_server.web.authorization.consenting import decide
from fhir_server.web.authorization.desk import Desk
from fhir_server.web.authorization.elsewhere import come_back, go_elsewhere
from fhir_server.web.authorization.journey import authorize, proceed
from fhir_server.web.authorization.launching import launch, show_launch
from fhir_server.web.authorization.membership import show_members
from fhir_server.web.authorization.rendering import STYLE
from fhir_server.web.authorization.reviewing import review, show_review
from fhir_server.web.authorization.signing import show_sign_in, sign_in, sign_out
from fhir_server.web.authorization.visit import Visit, visit_of

Handler: TypeAlias = Callable[[Visit], Awaitable[Response]]

PAGES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/auth/authorize", authorize),
    ("POST", "/auth/authorize", authorize),
    ("GET", "/auth/request", proceed),
    ("GET", "/auth/sign-in", show_sign_in),
    ("POST", "/auth/sign-in", sign_in),
    ("POST", "/auth/sign-out", sign_out),
    ("POST", "/auth/patient", choose_patient),
    ("POST", "/auth/consent", decide),
    ("GET", "/auth/launch", show_launch),
    ("POST", "/auth/launch", launch),
    ("GET", "/auth/access", show_review),
    ("POST", "/auth/access", review),
    ("GET", "/members", show_members),
    ("GET", "/auth/elsewhere/{provider}", go_elsewhere),
    ("GET", "/auth/callback/{provider}", come_back),
)
_A_DAY = "public, max-age=86400"


def pages(desk: Desk) -> APIRouter:
    """Return the pages."""
    router = APIRouter()
    for method, path, handler in PAGES:
        router.add_api_route(path, _endpoint(desk, handler), methods=[method])

    @router.get("/auth/style.css")
    async def style() -> Response:
        """Give the style sheet of all pages."""
        return Response(STYLE, media_type="text/css", headers={"Cache-Control": _A_DAY})

    @router.get("/auth/members.css")
    async def style_of_members() -> Response:
        """Give what the page of the members has besides."""
        # Here, since a node that is no hub needs none of it, and would start later.
        from fhir_server.web.members import OWN_STYLE  # noqa: PLC0415

        return Response(OWN_STYLE, media_type="text/css", headers={"Cache-Control": _A_DAY})

    return router


def _endpoint(desk: Desk, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        visit = await visit_of(desk, request)
        try:
            return await handler(visit)
        except ShownError as error:
            return visit.message("This cannot be done", str(error), 400)
        except FhirError as error:
            return visit.message("This cannot be done", str(error), error.status)

    return endpoint
