"""Searches in a compartment: [compartment]/[id]/[type], https://hl7.org/fhir/R4/http.html#vsearch."""

from __future__ import annotations

from fhir_server.rest.answer import Answer
from fhir_server.rest.bodies import form_of
from fhir_server.rest.paging import search_page
from fhir_server.rest.request import Request
from fhir_server.rest.service import Service


async def search_compartment(service: Service, request: Request) -> Answer:
    """Serve `GET Patient/ada/Observation?…` and `GET Patient/ada/*`."""
    return await search_page(service, request, _member(request), request.pairs, owner=request.key)


async def search_compartment_by_form(service: Service, request: Request) -> Answer:
    """Serve `POST Patient/ada/Observation/_search`."""
    pairs = (*request.pairs, *await form_of(request))
    return await search_page(service, request, _member(request), pairs, owner=request.key)


def _member(request: Request) -> str | None:
    """Return the type that is searched for, None for all."""
    member = request.segments[2]
    return None if member == "*" else member
