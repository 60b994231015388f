"""The type level of the FHIR API: [type], and the criteria of conditional interactions."""

from __future__ import annotations

from collections.abc import Awaitable

from fhir_server.fhir.errors import BadRequest
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete_matching
from fhir_server.interactions.patch import patch_matching
from fhir_server.interactions.update import update_matching
from fhir_server.rest.answer import Answer
from fhir_server.rest.bodies import change_of, form_of, resource_of
from fhir_server.rest.conditional import expected_version, refuse_if_none_match
from fhir_server.rest.paging import history_page, search_page
from fhir_server.rest.rendering import deleted_answer, saved_answer
from fhir_server.rest.request import Request
from fhir_server.rest.service import Service


async def create_resource(service: Service, request: Request) -> Answer:
    """Serve `POST Patient`, with or without If-None-Exist."""
    if request.asked:
        # Left out, they would be duplicates: some clients mean a conditional create by this.
        raise BadRequest(
            "A create has no criteria in its URL; those of a conditional create "
            "are sent as the header If-None-Exist."
        )
    criteria = request.header(b"if-none-exist") or None
    resource = await resource_of(request, service.definitions)
    saved = await create(service.call(request), request.type, resource, if_none_exist=criteria)
    return saved_answer(request, saved)


async def update_where(service: Service, request: Request) -> Answer:
    """Serve `PUT Patient?identifier=…`."""
    criteria = _criteria(request)
    refuse_if_none_match(request)
    expected = expected_version(request)
    resource = await resource_of(request, service.definitions)
    call = service.call(request)
    saved = await update_matching(call, request.type, criteria, resource, if_match=expected)
    return saved_answer(request, saved)


async def patch_where(service: Service, request: Request) -> Answer:
    """Serve `PATCH Patient?identifier=…`."""
    criteria = _criteria(request)
    expected = expected_version(request)
    change = await change_of(request, service.definitions)
    call = service.call(request)
    saved = await patch_matching(call, request.type, criteria, change, if_match=expected)
    return saved_answer(request, saved)


async def delete_where(service: Service, request: Request) -> Answer:
    """Serve `DELETE Patient?identifier=…`."""
    deleted = await delete_matching(service.call(request), request.type, _criteria(request))
    return deleted_answer(request, deleted)


def search_type(service: Service, request: Request) -> Awaitable[Answer]:
    """Serve `GET Patient?…`."""
    return search_page(service, request, request.type, request.pairs)


async def search_type_by_form(service: Service, request: Request) -> Answer:
    """Serve `POST Patient/_search`."""
    pairs = (*request.pairs, *await form_of(request))
    return await search_page(service, request, request.type, pairs)


async def type_history(service: Service, request: Request) -> Answer:
    """Serve `GET Patient/_history`."""
    return await history_page(service, request, request.type, None)


def _criteria(request: Request) -> str:
    criteria = request.criteria
    if not criteria:
        raise BadRequest(
            f"{request.method} of {request.type} needs an id ({request.type}/1), "
            f"or criteria that select one resource ({request.type}?identifier=…)."
        )
    return criteria
