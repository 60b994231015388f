"""The register of opt-outs over HTTP: a text of NHS numbers comes in, and none ever goes out."""

from __future__ import annotations

from fhir_server.fhir.errors import (
    BadRequest,
    Forbidden,
    InsufficientScope,
    NotFound,
    UnsupportedMediaType,
)
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from fhir_server.interactions.opt_outs import moment_as_of, replace_opt_outs
from fhir_server.policy.register import day_of, days_since
from fhir_server.policy.scopes import OPT_OUTS
from fhir_server.rest.answer import Answer
from fhir_server.rest.negotiation import media_type
from fhir_server.rest.request import Request
from fhir_server.rest.service import Service
from fhir_server.storage.contract import OptOuts

DEFINED = {"opt-outs": "https://example.org/fdp/OperationDefinition/opt-outs"}
"""The operation by its name, and the URL of its definition."""

_TEXTS = frozenset({"text/plain", "text/csv"})


async def load_opt_outs(service: Service, request: Request) -> Answer:
    """Serve `POST $opt-outs?as-of=YYYY-MM-DD`: one NHS number a line, in place of the register before."""
    _check_permitted(request)
    if request.nested:
        raise BadRequest("A register of opt-outs is sent by itself, and not in a Bundle.")
    as_of = moment_as_of(_day_of(request), now=service.clock())
    if media_type(request.header(b"content-type")) not in _TEXTS:
        raise UnsupportedMediaType(
            "A register of opt-outs is sent as text/plain or text/csv, one NHS number a line."
        )
    known = await replace_opt_outs(service.store, await request.read(), as_of=as_of)
    if request.recording is not None:
        request.recording.note = f"a register of {known.number} opt-outs was loaded"
    return _told(service, known)


async def tell_opt_outs(service: Service, request: Request) -> Answer:
    """Serve `GET $opt-outs`: how many numbers the register has, and how old it is."""
    _check_permitted(request)
    known = await service.store.opt_outs()
    if known is None:
        raise NotFound(
            "No register of opt-outs was ever loaded: nothing is disclosed where it applies."
        )
    return _told(service, known)


def _check_permitted(request: Request) -> None:
    """Raise Forbidden; where nobody is asked for a token too, since any page in a browser there can send a text."""
    if request.caller is None:
        raise Forbidden(
            "Without tokens the register of opt-outs is loaded by command: fhir-server optout load."
        )
    if OPT_OUTS not in request.caller.access.scopes.own:
        raise InsufficientScope(f"This needs the scope {OPT_OUTS}, which the token has not.")


def _day_of(request: Request) -> str:
    match request.asked:
        case (("as-of", day),):
            return day
        case _:
            raise BadRequest(
                "A register is loaded with its day, and nothing else: $opt-outs?as-of=YYYY-MM-DD."
            )


def _told(service: Service, known: OptOuts) -> Answer:
    now = service.clock()
    parts: list[Resource] = [
        {"name": "number", "valueInteger": known.number},
        {"name": "as-of", "valueDate": day_of(known.as_of).isoformat()},
        {"name": "days", "valueInteger": days_since(known.as_of, now=now)},
    ]
    if service.disclosure is not None:
        current = service.disclosure.is_current(known.as_of, now=now)
        parts.append({"name": "current", "valueBoolean": current})
    return Answer(200, dump({"resourceType": "Parameters", "parameter": parts}))
