"""What fails in a page without being foreseen is told of by its type and place, as the FHIR API does.

The server below would write the message and the frames to its log, and these hold what somebody typed.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_server.rest.telemetry import NO_ROUTE, Telemetry


def failing_quietly(app: ASGIApp, telemetry: Telemetry) -> ASGIApp:
    """Return an application whose failures end here: the framework has answered them with 500 by then."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the last resort, whatever it was
            telemetry.failed(error, NO_ROUTE, "")

    return served
