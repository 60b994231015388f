"""Headers that make a request conditional, or say how to answer it.

https://hl7.org/fhir/R4/http.html#concurrency, https://hl7.org/fhir/R4/http.html#ops.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.fhir.instants import parse_http_date
from fhir_server.fhir.resource import Stored
from fhir_server.rest.request import Request

Returned: TypeAlias = Literal["minimal", "representation", "OperationOutcome"]

_ETAG = re.compile(r'\s*(?:W/)?"([^"]*)"\s*')
DEDUPLICATE = "deduplicate="
"""A preference of our own, for a search of many servers."""

_LONGEST_VERSION = 15
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Preferences:
    """What `Prefer` says: https://hl7.org/fhir/R4/http.html#2.21.0.5.2."""

    returned: Returned = "representation"
    lenient: bool = False
    strict: bool = False
    deduplicate: str | None = None


@lru_cache(maxsize=128)
def preferences(header: str) -> Preferences:
    """Return what a Prefer header says; a preference that is not known is no preference."""
    asked = {each.strip() for each in re.split("[,;]", header)}
    returned: Returned = "representation"
    if "return=minimal" in asked:
        returned = "minimal"
    elif "return=OperationOutcome" in asked:
        returned = "OperationOutcome"
    named = (each.removeprefix(DEDUPLICATE) for each in asked if each.startswith(DEDUPLICATE))
    strict = "handling=strict" in asked
    return Preferences(returned, "handling=lenient" in asked, strict, next(named, None))


def expected_version(request: Request) -> int | None:
    """Return the version that If-Match names; raise BadRequest for what names none."""
    header = request.header(b"if-match")
    if not header:
        return None
    found = _ETAG.fullmatch(header)
    if not found or not _is_version(found[1]):
        raise BadRequest(f'If-Match is {header[:60]!r}; it names one version, as ETag does: W/"3".')
    return int(found[1])


def refuse_if_none_match(request: Request) -> None:
    """Refuse If-None-Match where it would be left unheeded: on a write."""
    if request.header(b"if-none-match"):
        raise NotSupported(
            "If-None-Match is heeded on reads; to create what is not there, "
            "POST with If-None-Exist, or PUT with criteria."
        )


def not_modified(request: Request, stored: Stored) -> bool:
    """Tell whether the client has this version already."""
    if b"if-none-match" in request.headers:
        # If-Modified-Since is then not looked at: RFC 9110, 13.1.3.
        return has_version(request, str(stored.version))
    if b"if-modified-since" not in request.headers:
        return False
    since = parse_http_date(request.header(b"if-modified-since"))
    return since is not None and stored.moment // _SECOND <= since // _SECOND


def has_version(request: Request, version: str) -> bool:
    """Tell whether If-None-Match names a version, or any."""
    tags = request.header(b"if-none-match")
    return tags.strip() == "*" or version in _ETAG.findall(tags)


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_VERSION
