"""Bundles as bytes: stored resources are spliced in as they are, nothing is written anew.

https://hl7.org/fhir/R4/bundle.html. Entries are msgspec structs, not dataclasses, and those of a page of a search are
written at once: it has up to a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from fhir_server.fhir.resource import Stored

BundleKind = Literal["searchset", "history", "transaction-response", "batch-response"]
SearchMode = Literal["match", "include", "outcome"]

_text = msgspec.json.Encoder().encode
_SEARCH = {mode: b'"search":{"mode":"%b"}' % mode.encode() for mode in get_args(SearchMode)}


class Link(msgspec.Struct, frozen=True):
    """Where a related page is: `self`, `next`, `previous`, `first`, `last`."""

    relation: str
    url: str


class Request(msgspec.Struct, frozen=True):
    """What was asked: of each version in a history."""

    method: str
    url: str


class Response(msgspec.Struct, frozen=True):
    """What came of an entry; `status` is the HTTP code with or without its phrase.

    `last_modified` is an instant, `outcome` the bytes of an OperationOutcome.
    """

    status: str
    location: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    outcome: bytes | None = None


class Entry(msgspec.Struct, frozen=True):
    """One entry; `resource` is the bytes of a resource, as stored, `extension` those of a list of extensions."""

    full_url: str | None = None
    resource: bytes | None = None
    mode: SearchMode | None = None
    request: Request | None = None
    response: Response | None = None
    extension: bytes | None = None


def bundle_bytes(  # noqa: PLR0913  the elements of a Bundle
    kind: BundleKind,
    *,
    id: str,  # noqa: A002  FHIR's own word
    last_updated: str,
    entries: Iterable[Entry] = (),
    found: Iterable[bytes] = (),
    total: int | None = None,
    links: Iterable[Link] = (),
) -> bytes:
    """Return a Bundle; `last_updated` is an instant, and what is None or empty is left out.

    `found` are the pieces of `found_entries`, which come before the other entries.
    """
    parts = [
        b'{"resourceType":"Bundle","id":%b,"meta":{"lastUpdated":%b},"type":"%b"'
        % (_text(id), _text(last_updated), kind.encode())
    ]
    if total is not None:
        parts.append(b',"total":%d' % total)
    linked = b",".join([_link(each) for each in links])
    if linked:
        parts.append(b',"link":[%b]' % linked)
    listed = [*found, *[b"," + _entry(each) for each in entries]]
    if listed:
        listed[0] = b',"entry":[' + listed[0][1:]
        parts += listed
        parts.append(b"]")
    parts.append(b"}")
    return b"".join(parts)


def found_entries(base_url: str, found: Iterable[Stored], mode: SearchMode) -> list[bytes]:
    """Return the entries of resources that a search found below `base_url`: pieces, a comma before each entry.

    The bytes of a resource are a piece by themselves, so that they are copied once: into the Bundle.
    """
    head = ',{"fullUrl":' + _text(base_url + "/").decode()[:-1]
    tail = b",%b}" % _SEARCH[mode]
    pieces: list[bytes] = []
    for each in found:
        # Nothing in a type or an id is escaped in JSON.
        place = f'{head}{each.key.type}/{each.key.id}","resource":'
        pieces += (place.encode(), each.body or b"", tail)
    return pieces


def _link(link: Link) -> bytes:
    return b'{"relation":%b,"url":%b}' % (_text(link.relation), _text(link.url))


def _entry(entry: Entry) -> bytes:
    members = [] if entry.extension is None else [b'"extension":' + entry.extension]
    if entry.full_url is not None:
        members.append(b'"fullUrl":' + _text(entry.full_url))
    if entry.resource is not None:
        members.append(b'"resource":' + entry.resource)
    if entry.mode is not None:
        members.append(_SEARCH[entry.mode])
    if entry.request is not None:
        members.append(_request(entry.request))
    if entry.response is not None:
        members.append(_response(entry.response))
    return b"{%b}" % b",".join(members)


def _request(request: Request) -> bytes:
    return b'"request":{"method":%b,"url":%b}' % (_text(request.method), _text(request.url))


def _response(response: Response) -> bytes:
    members = [b'"response":{"status":', _text(response.status)]
    if response.location is not None:
        members += (b',"location":', _text(response.location))
    if response.etag is not None:
        members += (b',"etag":', _text(response.etag))
    if response.last_modified is not None:
        members += (b',"lastModified":', _text(response.last_modified))
    if response.outcome is not None:
        members += (b',"outcome":', response.outcome)
    members.append(b"}")
    return b"".join(members)
