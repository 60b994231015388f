"""One request of the FHIR API as a value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote

import msgspec

from fhir_server.audit.trail import Recording
from fhir_server.auth.caller import Caller
from fhir_server.fhir.errors import BadRequest, UnsupportedMediaType, shown
from fhir_server.fhir.resource import LOGICAL_ID, Key
from fhir_server.policy.decision import Audience
from fhir_server.rest.content import Content, Streamed
from fhir_server.rest.negotiation import Format

Pairs = tuple[tuple[str, str], ...]

LONGEST_QUERY = 16_384
MOST_PAIRS = 500
REMEMBERED = 1_000
LONGEST_REMEMBERED = 1_000
"""How many queries are remembered, and how long they are at most: many are sent again and again."""

HOW_TO_ANSWER = frozenset({"_format", "_pretty"})
"""Parameters on the form of the answer: no part of what is asked."""

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Request(msgspec.Struct):
    """What is asked: by the router's reading, `type`, `key` and `version` are parts of the path.

    `trace` is the trace that it belongs to (rest/tracing), nothing where it has none.

    `emergency` are the patients whose records a grant opens to the caller.
    `sent` are parameters that came in the body, as a query; `recording` is what it will be recorded as.
    `name` is the X-Request-ID, its own or the one that it was given.
    """

    method: str
    segments: tuple[str, ...]
    query: str
    headers: Mapping[bytes, bytes]
    base_url: str
    content: Content
    format: Format = Format.JSON
    nested: bool = False
    caller: Caller | None = None
    audience: Audience | None = None
    emergency: frozenset[str] = frozenset()
    sent: str = ""
    recording: Recording | None = None
    name: str = ""
    pairs: Pairs = ()
    trace: str = ""

    def __post_init__(self) -> None:
        self.pairs = parse_pairs(self.query) if self.query else ()

    @property
    def type(self) -> str:
        """The resource type in the path."""
        return self.segments[0]

    @property
    def key(self) -> Key:
        """The address in the path; raise BadRequest for what can be no id."""
        logical_id = self.segments[1]
        if not LOGICAL_ID.match(logical_id):
            raise BadRequest(
                f"{logical_id[:70]!r} is no logical id: "
                "these are 1 to 64 letters, digits, hyphens and full stops."
            )
        return Key(self.segments[0], logical_id)

    @property
    def principal(self) -> str:
        """What tells callers apart; the same for all where nobody is asked for a token."""
        return "" if self.caller is None else self.caller.access.principal

    @property
    def asked(self) -> Pairs:
        """The parameters, but for those on the form of the answer."""
        return tuple(pair for pair in self.pairs if pair[0] not in HOW_TO_ANSWER)

    @property
    def form(self) -> Pairs:
        """The parameters on the form of the answer."""
        return tuple(pair for pair in self.pairs if pair[0] in HOW_TO_ANSWER)

    @property
    def criteria(self) -> str:
        """The query of a conditional interaction, as it was sent."""
        parts = self.query.split("&")
        return "&".join(each for each in parts if each.partition("=")[0] not in HOW_TO_ANSWER)

    async def read(self) -> bytes:
        """Return the body as it was sent; raise TooLarge or UnsupportedMediaType."""
        assert isinstance(self.content, Streamed), "an entry of a Bundle has no bytes"
        encoding = self.header(b"content-encoding")
        if encoding not in {"", "identity"}:
            # Unpacked, a small body could be of any size.
            raise UnsupportedMediaType(f"The body is packed ({encoding[:40]}); send it as it is.")
        return await self.content.read()

    def header(self, name: bytes) -> str:
        """Return a header, or nothing where it was not sent."""
        return self.headers.get(name, b"").decode("latin-1")

    def parameter(self, name: str) -> str:
        """Return the first value of a parameter, or nothing where it was not sent."""
        for key, value in self.pairs:
            if key == name:
                return value
        return ""


def parse_pairs(query: str) -> Pairs:
    """Return the names and values of a query or form; raise BadRequest for what is not UTF-8."""
    return _remembered(query) if len(query) <= LONGEST_REMEMBERED else _parsed(query)


@lru_cache(maxsize=REMEMBERED)
def _remembered(query: str) -> Pairs:
    return _parsed(query)


def _parsed(query: str) -> Pairs:
    pieces = query.split("&")
    if _BROKEN_ESCAPE.search(query):
        at_fault = next(filter(_BROKEN_ESCAPE.search, pieces))
        raise BadRequest(
            f"{shown(at_fault)}: a percent sign in the query begins no escape; write it as %25."
        )
    if "%00" in query or "\0" in query:
        at_fault = next(each for each in pieces if "%00" in each or "\0" in each)
        raise BadRequest(f"{shown(at_fault)}: the query has a NUL character, which no value has.")
    if len(pieces) > MOST_PAIRS:
        raise BadRequest(f"The query has more than {MOST_PAIRS} parameters.")
    split = [each.partition("=") for each in pieces if each]
    try:
        return tuple([(_decoded(name), _decoded(value)) for name, _, value in split])
    except UnicodeDecodeError as error:
        raise BadRequest(f"{_not_utf8(pieces)}: the query is not UTF-8.") from error


def _not_utf8(pieces: Sequence[str]) -> str:
    """Return the first part of a query that cannot be decoded."""
    for each in pieces:
        try:
            _decoded(each)
        except UnicodeDecodeError:
            return shown(each)
    return ""


def _decoded(text: str) -> str:
    # Most names and values have nothing to decode, and each step of the library costs what a split does.
    if "+" in text:
        text = text.replace("+", " ")
    return unquote(text, errors="strict") if "%" in text else text


def query_text(query: bytes) -> str:
    """Return a raw query as text; raise BadRequest for one that is too long or not UTF-8."""
    if len(query) > LONGEST_QUERY:
        raise BadRequest(
            f"The query is {len(query)} bytes long; {LONGEST_QUERY} are read. "
            "A longer search can be sent as POST [type]/_search."
        )
    try:
        return query.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("The query is not UTF-8.") from error
