"""Batches and transactions: https://hl7.org/fhir/R4/http.html#transaction.

An entry runs through the same router as a request of its own, so nothing is open to it that would be closed there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, assert_never
from urllib.parse import unquote

from fhir_server.fhir.bundle import Entry, Link, Response, bundle_bytes
from fhir_server.fhir.errors import BadRequest, FhirError, MethodNotAllowed, NotFound
from fhir_server.fhir.instants import instant
from fhir_server.fhir.resource import Resource
from fhir_server.interactions.entries import ReadEntry, at_entry
from fhir_server.interactions.outcomes import Deleted, Saved
from fhir_server.interactions.transaction import EntryResult, transaction
from fhir_server.rest.answer import Answer, etag
from fhir_server.rest.bodies import resource_of
from fhir_server.rest.content import Given
from fhir_server.rest.provenance import HEADER
from fhir_server.rest.recording import recorded, within
from fhir_server.rest.rendering import deleted_answer, error_answer, saved_answer
from fhir_server.rest.request import Request, query_text
from fhir_server.rest.routing import answer_by, find, segments_of
from fhir_server.rest.service import Service

AT_ONCE = 8
"""Entries of a batch that run at the same time: their writes share one durable step."""

_READING = {
    "read": "r",
    "vread": "r",
    "history-instance": "r",
    "search-type": "s",
    "history-type": "s",
    "search-system": "s",
    "history-system": "s",
}
"""The right that a read in a transaction needs, by interaction."""

_CONDITIONS = {
    "ifMatch": b"if-match",
    "ifNoneMatch": b"if-none-match",
    "ifModifiedSince": b"if-modified-since",
    "ifNoneExist": b"if-none-exist",
}


async def post_bundle(service: Service, request: Request) -> Answer:
    """Serve `POST /` with a batch or a transaction."""
    if request.nested:
        raise BadRequest("A batch or transaction has no other as its entry.")
    bundle = await resource_of(request, service.definitions)
    entries = _entries(bundle, service.limits.entries)
    if bundle["type"] == "batch" and HEADER in request.headers:
        raise BadRequest("X-Provenance goes with one write or a transaction, and not with a batch.")
    if request.recording is not None:
        request.recording.kind = bundle["type"]
    if bundle["type"] == "batch":
        answers = await _batch(service, request, entries)
    else:
        answers = await _transaction(service, request, bundle, entries)
    body = bundle_bytes(
        "batch-response" if bundle["type"] == "batch" else "transaction-response",
        id=service.new_id(),
        last_updated=instant(service.clock()),
        links=(Link("self", request.base_url),),
        entries=[_response(request, each) for each in answers],
    )
    return Answer(200, body)


async def _batch(
    service: Service, request: Request, entries: Sequence[Resource]
) -> Sequence[Answer]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def run(index: int, entry: Resource) -> Answer:
        async with turns:
            return await _answered(service, request, index, entry)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(*each)) for each in enumerate(entries)]
    return [task.result() for task in tasks]


async def _transaction(
    service: Service, request: Request, bundle: Resource, entries: Sequence[Resource]
) -> Sequence[Answer]:
    for index, entry in enumerate(entries):
        _check_served(service, index, entry)
        _check_readable(service, request, index, entry)
    results = await transaction(service.call(request), bundle, most=service.limits.entries)
    return [await _transaction_answer(service, request, entries, each) for each in results]


async def _transaction_answer(
    service: Service, request: Request, entries: Sequence[Resource], result: EntryResult
) -> Answer:
    match result.outcome:
        case Saved() as saved:
            return saved_answer(request, saved)
        case Deleted() as deleted:
            return deleted_answer(request, deleted)
        case ReadEntry():
            # After the commit, so that it sees what the transaction wrote.
            return await _answered(service, request, result.index, entries[result.index])
        case _:
            assert_never(result.outcome)


async def _answered(service: Service, outer: Request, index: int, entry: Resource) -> Answer:
    """Answer one entry by itself; an error becomes its answer."""
    try:
        request = _sub_request(outer, index, entry)
        route = find(service, request)
        answering = answer_by(route, service, request)
        if service.trail is None or outer.recording is None or route.open:
            return await answering
        request.recording = within(outer.recording, route, request)
        return await recorded(service.trail, request.recording, request, answering)
    except FhirError as error:
        return error_answer(error)


def _sub_request(outer: Request, index: int, entry: Resource) -> Request:
    place = f"Bundle.entry[{index}].request"
    asked = entry.get("request")
    if not isinstance(asked, dict):
        raise BadRequest("The entry has no request: a method and a url.", expression=place)
    method, url = asked.get("method"), asked.get("url")
    if not isinstance(method, str) or not isinstance(url, str):
        raise BadRequest("The request needs a method and a url, both text.", expression=place)
    path, _, query = url.removeprefix(outer.base_url + "/").partition("?")
    resource = entry.get("resource")
    return Request(
        method,
        segments_of(unquote(path)),
        query_text(query.encode()),
        _headers(outer, asked, place),
        outer.base_url,
        Given(resource if isinstance(resource, dict) else None),
        nested=True,
        caller=outer.caller,
        audience=outer.audience,
        emergency=outer.emergency,
    )


def _headers(outer: Request, asked: Mapping[str, Any], place: str) -> Mapping[bytes, bytes]:
    headers = {}
    prefer = outer.headers.get(b"prefer")
    if prefer is not None:
        headers[b"prefer"] = prefer
    for name, header in _CONDITIONS.items():
        value = asked.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise BadRequest(f"{name} is no text.", expression=f"{place}.{name}")
        headers[header] = value.encode()
    return headers


def _entries(bundle: Resource, most: int) -> Sequence[Resource]:
    if bundle["resourceType"] != "Bundle" or bundle.get("type") not in ("batch", "transaction"):
        raise BadRequest(
            "POST to the base takes a Bundle of type batch or transaction; "
            "any other resource is created by POST to its type.",
            expression="Bundle.type",
        )
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise BadRequest("Bundle.entry is no list of entries.", expression="Bundle.entry")
    if len(entries) > most:
        raise BadRequest(
            f"The Bundle has {len(entries)} entries; {most} are taken at once.",
            expression="Bundle.entry",
        )
    return entries


def _check_served(service: Service, index: int, entry: Resource) -> None:
    """Refuse an entry on a type that this server leaves out, before anything is written."""
    request = entry.get("request")
    url = request.get("url") if isinstance(request, dict) else None
    name = re.split("[/?]", url)[0] if isinstance(url, str) else ""
    if name in service.definitions.resource_types - service.types:
        raise NotFound(
            f"This server does not have the type {name}; nothing was written.",
            expression=f"Bundle.entry[{index}].request.url",
        )


def _check_readable(service: Service, request: Request, index: int, entry: Resource) -> None:
    """Refuse a read without right before anything is written: it is answered after that."""
    if request.caller is None:
        return
    asked = _sub_request(request, index, entry)
    if asked.method not in {"GET", "HEAD"}:
        return
    with suppress(NotFound, MethodNotAllowed), at_entry(index):
        (interaction,) = find(service, asked).interactions or ("",)
        if interaction in _READING:
            service.call(asked).to(_READING[interaction], *_types_read(asked))


def _types_read(request: Request) -> tuple[str, ...]:
    """Return the type that a read is about, none where it is about all."""
    match request.segments:
        case (_, _, member) if member[:1].isupper():
            return (member,)
        case (_, _, "*") | () | ("_history",):
            return ()
        case _:
            return (request.type,)


def _response(request: Request, given: Answer) -> Entry:
    stored = given.stored
    failed = given.status >= HTTPStatus.BAD_REQUEST
    is_outcome = failed or given.body.startswith(b'{"resourceType":"OperationOutcome"')
    return Entry(
        f"{request.base_url}/{stored.key}" if stored and given.body else None,
        None if is_outcome else given.body or None,
        response=Response(
            f"{given.status} {HTTPStatus(given.status).phrase}",
            given.location,
            etag(stored.version) if stored else None,
            instant(stored.moment) if stored else None,
            given.body if is_outcome else None,
        ),
    )
