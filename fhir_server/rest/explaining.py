"""`_explain=true`: how a search is answered, for operators, as a Parameters resource.

It tells of what the index holds, so that only who may see everything is told; to all others it is a parameter that
does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.search import understood
from fhir_server.rest.answer import Answer
from fhir_server.rest.request import HOW_TO_ANSWER, Pairs, Request
from fhir_server.rest.service import Service
from fhir_server.search.wording import worded
from fhir_server.storage.explanation import Access, Explanation, Lead, Statement

EXPLAIN = "_explain"


def may_explain(service: Service, request: Request) -> bool:
    """Tell whether the caller is told how a search is answered; an entry of a Bundle never is."""
    call = service.call(request)
    sight = call.sight if call.rights is None else call.rights.sight("s")
    # An audience is counted as bound whatever was denied so far: the counts of leads know no denials.
    return not request.nested and request.audience is None and sight.is_unlimited


async def explanation(
    service: Service,
    request: Request,
    resource_type: str | None,
    pairs: Pairs,
    *,
    owner: Key | None,
) -> Answer:
    """Return how the first page of a search is found."""
    for name, value in pairs:
        if name == EXPLAIN and value != "true":
            raise BadRequest(f"{EXPLAIN}={value}: this is true, or left out")
    asked = [each for each in pairs if each[0] not in {EXPLAIN, *HOW_TO_ANSWER}]
    call, query = understood(
        service.call(request), resource_type, asked, now=service.clock(), owner=owner
    )
    found = await service.store.explain(call.sight, query.plan, None, query.count)
    return Answer(200, dump(_resource(found)))


def _resource(found: Explanation) -> Resource:
    parameters = [
        _said("matches", found.matches),
        _said("rowsRead", found.rows_read),
        _said("steps", sum(each.steps for each in found.statements)),
        {"name": "milliseconds", "valueString": str(found.milliseconds)},
        *([_said("refused", found.refusal)] if found.refusal else []),
        *(_group("type", _access(each)) for each in found.accesses),
        *(_group("statement", _statement(each)) for each in found.statements),
    ]
    return {"resourceType": "Parameters", "parameter": parameters}


def _access(found: Access) -> Iterable[dict[str, Any]]:
    kind = found.type
    yield _said("name", kind)
    led = "the list of all" if found.lead is None else worded(kind, found.lead)
    yield _said("ledBy", led)
    yield from (_group("considered", _lead(kind, each)) for each in found.considered)
    yield from (_said("checkedInIndex", worded(kind, each)) for each in found.in_index)
    yield from (_said("checkedOnRecord", worded(kind, each)) for each in found.on_record)


def _lead(kind: str, found: Lead) -> Iterable[dict[str, Any]]:
    yield _said("predicate", worded(kind, found.predicate))
    yield _said("candidates" if found.exact else "candidatesAtLeast", found.candidates)


def _statement(found: Statement) -> Iterable[dict[str, Any]]:
    yield _said("sql", found.text)
    yield from (_said("plan", each) for each in found.way)
    yield _said("runs", found.runs)
    yield _said("steps", found.steps)


def _group(name: str, parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "part": [*parts]}


def _said(name: str, value: str | int) -> dict[str, Any]:
    if isinstance(value, int):
        return {"name": name, "valueInteger": value}
    return {"name": name, "valueString": value.strip()}
