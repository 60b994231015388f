"""A federated page as a Bundle: members' bytes spliced, each entry with its source, every member accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import quote, urlencode

from fhir_server.federation.accounts import EXTENSION, outcome_of
from fhir_server.federation.identities import PATIENT, verified_number
from fhir_server.federation.merging import Source, Taken
from fhir_server.federation.search import Federated
from fhir_server.fhir.bundle import Entry, Link, SearchMode, bundle_bytes
from fhir_server.fhir.instants import instant
from fhir_server.fhir.json import dump
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Resource
from fhir_server.rest.paging import CURSOR
from fhir_server.rest.projection import Projection, Projector
from fhir_server.rest.request import Pairs

RETRY = "https://example.org/fdp/link/missing"
"""The relation of the link that asks those alone that failed: a URL, since FHIR's names are those of IANA."""


_NAME = 12
"""Bytes of a name."""

DUPLICATE = "https://example.org/fdp/StructureDefinition/federation-duplicate"
"""An extension on an entry: where the same is as well, by member and address, and is not shown again."""


PERSON = "https://example.org/fdp/StructureDefinition/federation-person"
"""An extension on the entry of a Patient: Patients of one search that have the same are of the same person."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a page is written: `address` is that of the search, `applied` what counts of its query.

    `key` makes names of people out of their numbers, other ones for each search and caller. `cleared`: what members
    answered was decided on here. `said` is what each page says of the search itself.
    """

    id: str
    now: int
    address: str
    applied: Pairs
    projector: Projector
    projection: Projection | None
    key: bytes
    cleared: bool = False
    said: Sequence[Issue] = ()


def page_bytes(
    shown: Shown,
    found: Federated,
    *,
    following: str | None,
    missing: str | None,
) -> bytes:
    """Return a page; `following` and `missing` are handles of cursors."""
    at_least = None if found.total.exact else found.total.least
    said = (*shown.said, *_left_out(found))
    outcome = outcome_of(found.accounts, said, cleared=shown.cleared, at_least=at_least)
    return bundle_bytes(
        "searchset",
        id=shown.id,
        last_updated=instant(shown.now),
        total=found.total.known,
        links=_links(shown, following, missing),
        entries=[
            *_entries(shown, found.taken, "match"),
            *_entries(shown, found.included, "include"),
            Entry(resource=dump(outcome), mode="outcome"),
        ],
    )


def _links(shown: Shown, following: str | None, missing: str | None) -> list[Link]:
    query = urlencode(shown.applied, safe="/:,$", quote_via=quote)
    first = f"{shown.address}?{query}" if query else shown.address
    further = first + ("&" if query else "?") + CURSOR + "="
    links = [Link("self", first)]
    if following is not None:
        links.append(Link("next", further + following))
    if missing is not None:
        links.append(Link(RETRY, further + missing))
    return links


def _entries(shown: Shown, taken: Sequence[Taken], mode: SearchMode) -> Iterator[Entry]:
    for each in taken:
        body = each.match.resource
        if shown.projection is not None:
            body = shown.projector.project(body, shown.projection, included=mode == "include")
        yield Entry(each.match.full_url, body, mode, extension=_sources(each, shown.key))


def _sources(taken: Taken, key: bytes) -> bytes:
    own = {"url": EXTENSION, "valueString": taken.member}
    return dump([own, *map(_duplicate, taken.also), *_person(taken, key)])


def _person(taken: Taken, key: bytes) -> Iterator[Resource]:
    """Yield by what a Patient is known as the same person as others, if it has a number that is verified."""
    number = verified_number(taken.match.resource) if taken.match.type == PATIENT else None
    if number is not None:
        name = blake2b(number.encode(), key=key, digest_size=_NAME).hexdigest()
        yield {"url": PERSON, "valueString": name}


def _duplicate(source: Source) -> Resource:
    parts = [
        {"url": "member", "valueString": source.member},
        {"url": "fullUrl", "valueUrl": source.full_url},
    ]
    return {"url": DUPLICATE, "extension": parts}


def _left_out(found: Federated) -> Iterator[Issue]:
    """Yield what is told of duplicates of what stood on a page before."""
    for each in found.left_out:
        told = (
            f"{each.full_url} of {each.member} is the same as what was shown before, and left out"
        )
        yield Issue("information", "duplicate", told)
