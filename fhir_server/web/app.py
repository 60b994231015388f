"""What is not FHIR: the start page, health and metrics, on FastAPI."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from html import escape

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from fhir_server.fhir.errors import FhirError
from fhir_server.web.metrics import Metrics
from fhir_server.web.start import About, StartPage

# Its built-in telemetry would put query strings into spans: who is treated for what.
QUIET: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
_NEEDED = (
    "Metrics are for who sends the token that FHIR_METRICS_TOKEN names: Authorization: Bearer …"
)
_READ = ["GET", "HEAD"]
"""https://www.rfc-editor.org/rfc/rfc9110#section-9.1: what answers GET answers HEAD; monitors ask so."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def web_application(
    about: About,
    *,
    ready: Callable[[], Awaitable[object]],
    told: Metrics,
) -> FastAPI:
    """Return the application for all that is outside the FHIR base."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, telemetry=QUIET)
    page = StartPage(about)

    @app.api_route("/", methods=_READ)
    async def start(request: Request) -> HTMLResponse:
        """Tell people what this node is."""
        return HTMLResponse(await page.render(str(request.base_url).rstrip("/")), headers=_HEADERS)

    @app.api_route("/members", methods=_READ)
    async def members() -> HTMLResponse:
        """Show the members of this federation, and how they fare."""
        hub = None if about.federation is None else about.federation()
        if hub is None:
            return HTMLResponse("Members are told at /federated/$members, to who has a token.", 404)
        # Here, since a node that is no hub needs none of it, and would start later.
        from fhir_server.web.members import POLICY, members_page  # noqa: PLC0415

        try:
            page = members_page(await hub.roster(), about.clock(), about.version)
        except FhirError as error:
            return HTMLResponse(escape(str(error)), error.status)
        headers = _HEADERS | {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(page, headers=headers)

    @app.api_route("/health/live", methods=_READ)
    async def live() -> PlainTextResponse:
        """Tell that the process answers."""
        return PlainTextResponse("live")

    @app.api_route("/health/ready", methods=_READ)
    async def answers() -> PlainTextResponse:
        """Tell whether the store answers too."""
        try:
            await ready()
        except FhirError:
            return PlainTextResponse("the store does not answer", 503)
        single = "" if about.has_transactions else ": single writes, no transactions"
        return PlainTextResponse(f"ready{single}")

    @app.api_route("/metrics", methods=_READ)
    async def metrics(request: Request) -> Response:
        """Give the counters to Prometheus."""
        if not told.permits(request.headers.get("authorization", "")):
            return PlainTextResponse(_NEEDED, 401, headers={"WWW-Authenticate": "Bearer"})
        return Response(generate_latest(_collected(told.registry)), media_type=CONTENT_TYPE_LATEST)

    return app


def _collected(registry: CollectorRegistry) -> CollectorRegistry:
    """Return the counters of all worker processes, where there are several."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return registry
    all_workers = CollectorRegistry()
    MultiProcessCollector(all_workers)  # type: ignore[no-untyped-call]  # the package has no types
    return all_workers
