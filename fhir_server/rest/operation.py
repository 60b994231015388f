"""Operations over HTTP: $name, [type]/$name and [type]/[id]/$name."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.operations.operation import Operation
from fhir_server.operations.registry import OPERATIONS
from fhir_server.rest.answer import Answer
from fhir_server.rest.paging import operation_page
from fhir_server.rest.parameters import parameters_of
from fhir_server.rest.request import Request
from fhir_server.rest.service import Handler, Route, Service


def operation_routes() -> Iterator[Route]:
    """Yield the routes of all operations."""
    for operation in OPERATIONS:
        for address in operation.addresses:
            for method in ("POST",) if operation.changes else ("GET", "POST"):
                yield Route(method, f"/{address}", _serving(operation), ())


def _serving(operation: Operation) -> Handler:
    async def serve(service: Service, request: Request) -> Answer:
        pairs = await parameters_of(service, request)
        return await operation_page(service, request, operation, pairs)

    return serve
