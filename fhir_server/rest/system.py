"""The system level of the FHIR API: the base itself."""

from __future__ import annotations

from dataclasses import replace

from fhir_server.conformance.capability import (
    Interactions,
    Security,
    Software,
    capability_statement,
)
from fhir_server.fhir.errors import NotSupported
from fhir_server.fhir.instants import instant
from fhir_server.fhir.json import dump
from fhir_server.interactions.call import AUDIT_EVENT
from fhir_server.operations.registry import served_everywhere, served_on
from fhir_server.rest import opt_outs, person_index
from fhir_server.rest.answer import Answer
from fhir_server.rest.bodies import form_of
from fhir_server.rest.paging import history_page, search_page
from fhir_server.rest.request import Request
from fhir_server.rest.service import Routes, Service
from fhir_server.rest.smart import oauth_uris, open_to_pages
from fhir_server.search.declaring import extension_of, own_abilities

SINGLE_WRITES = "This node writes one resource at a time: its MongoDB is a standalone, which has no transactions."


async def metadata(service: Service, request: Request) -> Answer:
    """Serve `GET metadata`."""
    mode = request.parameter("mode")
    if mode not in {"", "full"}:
        raise NotSupported(f"metadata is served with mode=full, not {mode[:40]!r}.")
    uris = await oauth_uris(service)
    await service.register.refresh()
    definitions = service.register.current.definitions
    kept_as = (request.base_url, None if uris is None else tuple(uris.items()))
    made_of, body = service.kept.statements.get(kept_as, (None, b""))
    if made_of is not definitions:
        statement = capability_statement(
            definitions,
            types=service.types,
            interactions=_interactions(service),
            software=Software(service.version, instant(service.started), request.base_url),
            security=Security(service.answers_pages, uris),
        )
        body = dump(statement)
        service.kept.forget_if_many()
        service.kept.statements[kept_as] = definitions, body
    return Answer(200, body, headers=open_to_pages(service, request))


def _read_only(service: Service) -> frozenset[str]:
    return frozenset() if service.trail is None else frozenset({AUDIT_EVENT})


def _interactions(service: Service) -> Interactions:
    found = replace(
        interactions_of(service.routes, read_only=_read_only(service)),
        extensions=[extension_of(own_abilities(service.limits.pages.most))],
    )
    if service.store.has_transactions:
        return found
    system = tuple(each for each in found.system if each != "transaction")
    return replace(found, system=system, told=SINGLE_WRITES)


def interactions_of(routes: Routes, *, read_only: frozenset[str] = frozenset()) -> Interactions:
    """Return the interactions that the routes serve, on types and on the whole system."""
    each_type: list[str] = []
    system: list[str] = []
    for template, methods in routes.items():
        level = each_type if template.startswith("/[type]") else system
        for route in methods.values():
            level.extend(code for code in route.interactions if code not in level)
    compartments = "/[type]/[id]/[type]" in routes
    return Interactions(
        tuple(each_type),
        tuple(system),
        compartments=compartments,
        operations=served_on,
        everywhere={**served_everywhere(), **person_index.DEFINED, **opt_outs.DEFINED},
        read_only=read_only,
    )


async def search_system(service: Service, request: Request) -> Answer:
    """Serve `GET ?_type=…`."""
    return await search_page(service, request, None, request.pairs)


async def search_system_by_form(service: Service, request: Request) -> Answer:
    """Serve `POST _search`."""
    pairs = (*request.pairs, *await form_of(request))
    return await search_page(service, request, None, pairs)


async def system_history(service: Service, request: Request) -> Answer:
    """Serve `GET _history`."""
    return await history_page(service, request, None, None)
