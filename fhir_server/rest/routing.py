"""From method and path to a handler: https://hl7.org/fhir/R4/http.html#summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TypeAlias

from fhir_server.catalogue.register import ATTEMPTS
from fhir_server.fhir.errors import BadRequest, MethodNotAllowed, NotFound, OutdatedIndex
from fhir_server.operations.registry import addresses
from fhir_server.operations.registry import find as find_operation
from fhir_server.rest.answer import Answer
from fhir_server.rest.request import Request
from fhir_server.rest.service import Route, Routes, Service

TemplateAt: TypeAlias = Callable[[Service, Request], str]
"""Returns the template of the address of a request, one that there are routes of; raises NotFound."""


class NotServed(NotFound):
    """The address has a meaning in FHIR, and none on this server."""

    code = "not-supported"


def table(routes: Sequence[Route]) -> Routes:
    """Return the routes by template and method; a HEAD is a GET."""
    found: dict[str, dict[str, Route]] = {}
    for route in routes:
        methods = found.setdefault(route.template, {})
        methods[route.method] = route
        if route.method == "GET":
            methods["HEAD"] = route
    return found


def segments_of(path: str) -> tuple[str, ...]:
    """Return the parts of a path below the base; a slash at its end is passed over."""
    parts = path.strip("/")
    return tuple(parts.split("/")) if parts else ()


def template_at(service: Service, request: Request) -> str:
    """Return the template that the path of a request fits; raise NotFound."""
    return template_of(request.segments, service.types)


def find(service: Service, request: Request, template_at: TemplateAt = template_at) -> Route:
    """Return the route of a request; raise NotFound or MethodNotAllowed."""
    template = template_at(service, request)
    methods = service.routes[template]
    route = methods.get(request.method)
    if route is None:
        allowed = (*sorted(methods), "OPTIONS")
        raise MethodNotAllowed(
            f"{request.method[:20]} is not served at {template}; {', '.join(allowed)} are.", allowed
        )
    return route


async def answer_by(route: Route, service: Service, request: Request) -> Answer:
    """Answer a request by its route; again where the search parameters have changed under it."""
    register = service.register
    for _ in range(ATTEMPTS):
        before = register.current
        try:
            return await route.handler(service, request)
        except OutdatedIndex:
            await register.refresh()
        except BadRequest:
            # Perhaps of a search parameter that another process knows already.
            await register.refresh()
            if register.current is before:
                raise
    raise OutdatedIndex("the search parameters keep changing; please try again")


def template_of(segments: tuple[str, ...], types: frozenset[str]) -> str:
    """Return the template that a path fits; raise NotFound."""
    match segments:
        case (kind, _) if kind in types and segments[1][:1] not in ("_", "$"):
            return "/[type]/[id]"
        case (kind,) if kind in types:
            return "/[type]"
        case ():
            return "/"
        case ("metadata" | "_history" | "_search" | "$person-index" | "$opt-outs" as word,):
            return f"/{word}"
        case (name,) if find_operation(name, "system", ""):
            return f"/{name}"
        case (".well-known", "smart-configuration"):
            return "/.well-known/smart-configuration"
        case _:
            _check_type(segments[0], types)
            return _template_of_type(segments, types)


def _template_of_type(segments: tuple[str, ...], types: frozenset[str]) -> str:
    match segments:
        case (_, "_search" | "_history" as word):
            return f"/[type]/{word}"
        case (_, _, "_history"):
            return "/[type]/[id]/_history"
        case (_, _, "_history", _):
            return "/[type]/[id]/_history/[vid]"
        case (kind, name) if find_operation(name, "type", kind):
            return f"/{kind}/{name}"
        case (kind, _, name) if operation := find_operation(name, "instance", kind):
            return f"/{operation.place_of(kind)}/[id]/{name}"
        case (_, _, member) if _is_member(member, types):
            return "/[type]/[id]/[type]"
        case (_, _, member, "_search") if _is_member(member, types):
            return "/[type]/[id]/[type]/_search"
        case _:
            raise _not_served(segments)


def _is_member(name: str, types: frozenset[str]) -> bool:
    """Tell whether a name stands for what is in a compartment; raise NotFound for a misspelt type."""
    if name != "*" and name[:1] not in {"_", "$"}:
        _check_type(name, types)
    return name == "*" or name in types


def _check_type(name: str, types: frozenset[str]) -> None:
    if name in types:
        return
    if name.startswith(("$", "_", ".")):
        raise _not_served((name,))
    near = get_close_matches(name.capitalize(), types, n=1) or get_close_matches(name, types, n=1)
    hint = f"did you mean {near[0]}?" if near else "type names are case-sensitive, as in Patient."
    raise NotFound(f"{name[:70]!r} is no resource type that this server has; {hint}")


def _not_served(segments: tuple[str, ...]) -> NotServed:
    if any(each.startswith("$") for each in segments):
        what = f"The operation {'/'.join(segments)[-70:]!r}"
        return NotServed(f"{what} is not served here; these are: {', '.join(addresses())}.")
    return NotServed("An address of this form is not served here; GET metadata lists what is.")
