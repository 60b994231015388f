"""The addresses below one member of the hub's base, and how what it answers is answered on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode

from fhir_server.federation.answers import BadAnswer
from fhir_server.federation.instances import History, history_of, is_statement, told_of
from fhir_server.federation.members import MEMBER_ID, Capabilities
from fhir_server.federation.transport import Absent, Deleted, Failed
from fhir_server.fhir.errors import (
    BadRequest,
    FhirError,
    Gone,
    NotFound,
    NotSupported,
    Unavailable,
)
from fhir_server.fhir.instants import http_date
from fhir_server.fhir.resource import LOGICAL_ID, Key, Stored
from fhir_server.rest.answer import Answer
from fhir_server.rest.conditional import has_version
from fhir_server.rest.paging import CURSOR
from fhir_server.rest.projection import read_body
from fhir_server.rest.request import Pairs, Request
from fhir_server.rest.service import Service

MEMBER_SEARCH = "/[member]/[type]"
MEMBER_SEARCH_FORM = "/[member]/[type]/_search"
MEMBER_READ = "/[member]/[type]/[id]"
MEMBER_HISTORY = "/[member]/[type]/[id]/_history"
MEMBER_VREAD = "/[member]/[type]/[id]/_history/[vid]"
MEMBER_METADATA = "/[member]/metadata"

_OF_HISTORY = frozenset({"_count", "_since", "_at"})
"""Parameters that a member is told: https://hl7.org/fhir/R4/http.html#history."""

_INTERACTIONS = {2: "read", 3: "history-instance", 4: "vread"}
"""The interaction of an address, by the number of its parts below the member."""

_OPTIONAL = frozenset({"history-instance", "vread"})
_PARTS_OF_METADATA = 2


def template_below_member(segments: tuple[str, ...], types: frozenset[str]) -> str | None:
    """Return the template of an address below a member; None for what is none."""
    if not segments or not MEMBER_ID.match(segments[0]):
        return None
    match segments[1:]:
        case ("metadata",):
            return MEMBER_METADATA
        case (kind,) if kind in types:
            return MEMBER_SEARCH
        case (kind, "_search") if kind in types:
            return MEMBER_SEARCH_FORM
        case (kind, _) if kind in types:
            return MEMBER_READ
        case (kind, _, "_history") if kind in types:
            return MEMBER_HISTORY
        case (kind, _, "_history", _) if kind in types:
            return MEMBER_VREAD
        case _:
            return None


def searched(segments: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is searched: the type, after the member where it is that one alone."""
    return segments[:-1] if segments[-1] == "_search" else segments


def no_member(name: str) -> NotFound:
    """Return the answer for a member that there is none of."""
    return NotFound(f"There is no member {name!r} in this federation.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a member: the address below its base, its query, and the resource that it is about."""

    member: str
    path: str
    query: str
    interaction: str
    key: Key | None

    @property
    def resource(self) -> Key:
        """The resource that it is about."""
        assert self.key is not None, "all but metadata is about a resource"
        return self.key

    def url_at(self, base: str) -> str:
        """Return the URL at the member's base."""
        return f"{base}/{self.path}" + (f"?{self.query}" if self.query else "")

    def check(self, known: Capabilities) -> None:
        """Raise NotSupported for what a member does not have to do, and does not declare."""
        if self.key is None or self.interaction not in _OPTIONAL:
            return
        declared = known.interactions.get(self.key.type)
        if declared is not None and self.interaction not in declared:
            raise NotSupported(
                f"The member {self.member} does not declare {self.interaction} of {self.key.type}."
            )

    def history(self, content: bytes, asked: str, base: str) -> History:
        """Return the page of history that was answered at the URL `asked`; raise Unavailable."""
        try:
            return history_of(content, self.resource, asked=asked, base=base)
        except BadAnswer as problem:
            raise _unusable(self.member, problem) from problem

    def error(self, failure: Failed) -> FhirError:
        """Return what a caller is told of a member that did not answer."""
        match failure:
            case Deleted():
                return Gone(f"The member {self.member} has deleted {self.path}.")
            case Absent():
                return NotFound(f"The member {self.member} has no {self.path}.")
            case Failed(state="unsupported"):
                return NotSupported(f"The member {self.member} refused {self.path}: {failure}.")
            case _:
                return Unavailable(
                    f"The member {self.member} gave no answer: {failure.state} {failure}"
                )


def asked_of(request: Request) -> Asked:
    """Return what a request asks of a member; raise BadRequest for what can be no id."""
    member, *path = request.segments
    if len(request.segments) == _PARTS_OF_METADATA:
        return Asked(member, "metadata", "", "capabilities", None)
    wrong = [each for each in (path[1], *path[3:]) if LOGICAL_ID.match(each) is None]
    if wrong:
        raise BadRequest(f"{wrong[0][:70]!r} is no logical id.")
    query = ""
    if request.segments[-1] == "_history":
        pairs = [pair for pair in request.asked if pair[0] in _OF_HISTORY]
        query = urlencode(pairs, safe="/:,$", quote_via=quote)
    return Asked(member, "/".join(path), query, _INTERACTIONS[len(path)], Key(path[0], path[1]))


def resource_answer(service: Service, request: Request, asked: Asked, content: bytes) -> Answer:
    """Return a member's resource as it came, under its own version; raise Unavailable for another."""
    try:
        told = told_of(content, asked.resource)
    except BadAnswer as problem:
        raise _unusable(asked.member, problem) from problem
    headers = []
    if told.version is not None and LOGICAL_ID.match(told.version):
        headers.append((b"etag", f'W/"{told.version}"'.encode()))
    if told.updated is not None and (date := _http_date(told.updated)):
        headers.append((b"last-modified", date))
    if told.version is not None and has_version(request, told.version):
        return Answer(304, headers=tuple(headers))
    if request.asked:
        content = read_body(
            service.projector, Stored(asked.resource, 0, 0, "PUT", content), request.asked
        )
    return Answer(200, content, headers=tuple(headers))


def statement_answer(content: bytes) -> Answer:
    """Return a member's CapabilityStatement; raise Unavailable for what is none."""
    if not is_statement(content):
        raise Unavailable("The member answered what is no CapabilityStatement.")
    return Answer(200, content)


def history_pairs(request: Request) -> Pairs:
    """Return what is asked of a history; raise BadRequest for a parameter that it has not."""
    pairs = tuple(pair for pair in request.asked if pair[0] != CURSOR)
    unknown = sorted({name for name, _ in pairs} - _OF_HISTORY)
    if unknown:
        raise BadRequest(
            f"A history takes {', '.join(sorted(_OF_HISTORY))}, and not {unknown[0][:70]}."
        )
    return pairs


def history_links(request: Request, pairs: Pairs, following: str | None) -> Mapping[str, str]:
    """Return the links of a page of history; `following` is the handle of the next one."""
    address = f"{request.base_url}/{'/'.join(request.segments)}"
    query = urlencode(pairs, safe="/:,$", quote_via=quote)
    own = f"{address}?{query}" if query else address
    links = {"self": own}
    if following is not None:
        links["next"] = f"{own}{'&' if query else '?'}{CURSOR}={following}"
    return links


def _unusable(member: str, problem: BadAnswer) -> Unavailable:
    return Unavailable(f"The member {member} gave no answer that can be used: {problem}")


def _http_date(text: str) -> bytes:
    """Return an instant as HTTP writes it; nothing for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return b""
    return b"" if moment.tzinfo is None else http_date(int(moment.timestamp()) * 1_000_000).encode()
