"""The instance level of the FHIR API: [type]/[id]."""

from __future__ import annotations

from fhir_server.fhir.errors import NotFound
from fhir_server.fhir.resource import Stored
from fhir_server.interactions.delete import delete
from fhir_server.interactions.patch import patch
from fhir_server.interactions.read import read
from fhir_server.interactions.update import update
from fhir_server.interactions.vread import vread
from fhir_server.rest.answer import Answer
from fhir_server.rest.binary import raw_answer, wants_raw
from fhir_server.rest.bodies import change_of, resource_of
from fhir_server.rest.conditional import expected_version, not_modified, refuse_if_none_match
from fhir_server.rest.paging import history_page
from fhir_server.rest.projection import read_body
from fhir_server.rest.rendering import deleted_answer, saved_answer, stored_answer
from fhir_server.rest.request import Request
from fhir_server.rest.service import Service

_LONGEST_VERSION = 15


async def read_instance(service: Service, request: Request) -> Answer:
    """Serve `GET Patient/ada`."""
    return _read_answer(service, request, await read(service.call(request), request.key))


async def read_version(service: Service, request: Request) -> Answer:
    """Serve `GET Patient/ada/_history/3`."""
    version = request.segments[3]
    if not (version.isascii() and version.isdigit() and len(version) <= _LONGEST_VERSION):
        raise NotFound(f"{request.key} has no version {version[:20]!r}; versions are 1, 2, 3, …")
    stored = await vread(service.call(request), request.key, int(version))
    return _read_answer(service, request, stored)


async def update_instance(service: Service, request: Request) -> Answer:
    """Serve `PUT Patient/ada`."""
    refuse_if_none_match(request)
    expected = expected_version(request)
    resource = await resource_of(request, service.definitions)
    saved = await update(service.call(request), request.key, resource, if_match=expected)
    return saved_answer(request, saved)


async def patch_instance(service: Service, request: Request) -> Answer:
    """Serve `PATCH Patient/ada`."""
    expected = expected_version(request)
    change = await change_of(request, service.definitions)
    saved = await patch(service.call(request), request.key, change, if_match=expected)
    return saved_answer(request, saved)


async def delete_instance(service: Service, request: Request) -> Answer:
    """Serve `DELETE Patient/ada`."""
    expected = expected_version(request)
    deleted = await delete(service.call(request), request.key, if_match=expected)
    return deleted_answer(request, deleted)


async def instance_history(service: Service, request: Request) -> Answer:
    """Serve `GET Patient/ada/_history`."""
    return await history_page(service, request, request.type, request.key.id)


def _read_answer(service: Service, request: Request, stored: Stored) -> Answer:
    if not_modified(request, stored):
        return Answer(304, stored=stored)
    if stored.key.type == "Binary" and wants_raw(request):
        return raw_answer(stored)
    if request.query and request.asked:
        return Answer(200, read_body(service.projector, stored, request.asked), stored)
    return stored_answer(stored)
