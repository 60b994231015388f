"""What an interaction is answered with, before a format is chosen.

A msgspec struct, not a dataclass: each request makes one, at a fifth of the cost.
"""

from __future__ import annotations

import msgspec

from fhir_server.fhir.instants import http_date
from fhir_server.fhir.resource import Stored

Header = tuple[bytes, bytes]


class Answer(msgspec.Struct, frozen=True):
    """A status, a body of compact FHIR JSON (empty: none) and what the headers tell of.

    `stored` is the version that the answer is about; `media_type` names what is no FHIR. `shown` are the versions
    in a body of many.
    """

    status: int
    body: bytes = b""
    stored: Stored | None = None
    location: str | None = None
    headers: tuple[Header, ...] = ()
    media_type: str | None = None
    shown: tuple[Stored, ...] = ()


def etag(version: int) -> str:
    """Return the entity tag of a version."""
    return f'W/"{version}"'


def version_headers(answer: Answer) -> list[Header]:
    """Return the headers that tell which version it is, and where."""
    headers: list[Header] = []
    if answer.stored is not None:
        headers.append((b"etag", etag(answer.stored.version).encode()))
        headers.append((b"last-modified", http_date(answer.stored.moment).encode()))
    if answer.location is not None:
        headers.append((b"location", answer.location.encode()))
    return headers
