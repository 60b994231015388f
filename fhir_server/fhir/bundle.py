"""Bundles as bytes: stored resources are spliced in as they are, nothing is written anew.

https://hl7.org/fhir/R4/bundle.html. Entries are msgspec structs, not dataclasses, and those of a page of a search are
written at once: it has up to a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, Protocol, get_args

import msgspec

BundleKind = Literal["searchset", "history", "transaction-response", "batch-response"]
SearchMode = Literal["match", "include", "outcome"]

_encode = _text = msgspec.json.Encoder().encode
_SEARCH = {mode: b'"search":{"mode":"%b"}' % mode.encode() for mode in get_args(SearchMode)}


class Found(Protocol):
    """What a search found: its address, and its bytes."""

    @property
    def type(self) -> str: ...  # noqa: D102

    @property
    def id(self) -> str: ...  # noqa: D102

    @property
    def body(self) -> bytes: ...  # noqa: D102


class Link(msgspec.Struct, frozen=True):
    """Where a related page is: `self`, `next`, `previous`, `first`, `last`."""

    relation: str
    url: str


class _Meta(msgspec.Struct, rename="camel"):
    last_updated: str


class _Head(msgspec.Struct, rename="camel", omit_defaults=True):
    """What a Bundle says before its entries, in this order; what is None or empty is left out."""

    resource_type: str
    id: str
    meta: _Meta
    type: BundleKind
    total: int | None = None
    link: list[Link] = []


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
    head = _encode(_Head("Bundle", id, _Meta(last_updated), kind, total, [*links]))
    listed = [*found, *[b"," + _entry(each) for each in entries]]
    if not listed:
        return head
    listed[0] = b'%b,"entry":[%b' % (head[:-1], listed[0][1:])
    listed.append(b"]}")
    return b"".join(listed)


def found_entries(base_url: str, found: Iterable[Found], mode: SearchMode) -> list[bytes]:
    """Return the entries of resources that a search found below `base_url`: pieces, a comma before each entry.

    The bytes of a resource are a piece by themselves, so that they are copied once: into the Bundle.
    """
    head, tail = _around(base_url, mode)
    pieces: list[bytes] = []
    for each in found:
        # Nothing in a type or an id is escaped in JSON.
        place = f'{head}{each.type}/{each.id}","resource":'
        pieces += (place.encode(), each.body, tail)
    return pieces


@lru_cache(maxsize=64)
def _around(base_url: str, mode: SearchMode) -> tuple[str, bytes]:
    """Return what stands before the type of an entry below `base_url`, and what after its resource."""
    return ',{"fullUrl":' + _text(base_url + "/").decode()[:-1], b",%b}" % _SEARCH[mode]


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
