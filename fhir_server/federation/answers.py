"""What a member answered, taken apart without touching the bytes of its resources, and trusted in nothing.

https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urljoin, urlsplit

import msgspec

MOST_ENTRIES = 5_000


class BadAnswer(Exception):
    """A member answered what no search is answered with; the message says how."""


@dataclass(frozen=True, slots=True)
class Match:
    """One resource of a member: the bytes as they came, and its absolute address."""

    full_url: str
    resource: bytes
    type: str
    id: str


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page of a member: its matches in its order, what it included, where the next page is.

    `total` is what it says; `applied` are the names of the parameters that its self link has. `warned`: it told of a
    problem of its own.
    """

    matches: tuple[Match, ...]
    included: tuple[Match, ...]
    next: str | None
    total: int | None
    applied: frozenset[str]
    warned: bool


class _Search(msgspec.Struct):
    mode: str = "match"


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()
    search: _Search | None = None


class _Link(msgspec.Struct):
    relation: str
    url: str


class _Bundle(msgspec.Struct, rename="camel"):
    resource_type: str
    type: str
    total: int | None = None
    link: list[_Link] = []
    entry: list[_Entry] = []


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str
    id: str | None = None


_bundle = msgspec.json.Decoder(_Bundle).decode
_head = msgspec.json.Decoder(_Head).decode


def member_page(content: bytes, *, asked: str, base: str, resource_type: str) -> MemberPage:
    """Return the page that a member answered at the URL `asked`; raise BadAnswer.

    The next page has to be below the member's base: whoever follows a link anywhere else can be led anywhere.
    """
    try:
        bundle = _bundle(content)
        entries = [_found(each, base) for each in bundle.entry[: MOST_ENTRIES + 1]]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadAnswer("its answer is no Bundle of FHIR") from error
    if bundle.resource_type != "Bundle" or bundle.type != "searchset":
        raise BadAnswer("its answer is no searchset")
    if len(entries) > MOST_ENTRIES:
        raise BadAnswer(f"its page has more than {MOST_ENTRIES} entries")
    by_mode = {
        mode: [each for kind, each in entries if kind == mode] for mode in ("match", "include")
    }
    if any(each.type != resource_type for each in by_mode["match"]):
        raise BadAnswer(f"its matches are not all of the type {resource_type}")
    return MemberPage(
        tuple(by_mode["match"]),
        tuple(by_mode["include"]),
        _next(bundle.link, asked=asked, base=base),
        bundle.total,
        _applied(bundle.link),
        warned=any(kind == "outcome" for kind, _ in entries),
    )


def _found(entry: _Entry, base: str) -> tuple[str, Match]:
    content = bytes(entry.resource)
    if not content:
        raise BadAnswer("an entry of its page has no resource")
    head = _head(content)
    mode = "match" if entry.search is None else entry.search.mode
    if head.resource_type == "OperationOutcome":
        return "outcome", Match("", content, head.resource_type, head.id or "")
    if head.id is None:
        raise BadAnswer("a resource of its page has no id")
    address = f"{base}/{head.resource_type}/{head.id}"
    return mode, Match(address, content, head.resource_type, head.id)


def _next(links: list[_Link], *, asked: str, base: str) -> str | None:
    url = next((each.url for each in links if each.relation == "next"), None)
    if url is None:
        return None
    absolute = urljoin(asked, url)
    if not is_below(absolute, base):
        raise BadAnswer("its next page is at another address than its own")
    if absolute == asked:
        raise BadAnswer("its next page is the page itself")
    return absolute


def _applied(links: list[_Link]) -> frozenset[str]:
    url = next((each.url for each in links if each.relation == "self"), "")
    return frozenset(name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True))


def is_below(url: str, base: str) -> bool:
    """Tell whether a URL is the base of a member, or below it."""
    try:
        given, own = urlsplit(url), urlsplit(base)
        same = (given.scheme, given.hostname, given.port) == (own.scheme, own.hostname, own.port)
    except ValueError:
        return False
    path = given.path
    if (
        not same
        or given.username is not None
        or given.fragment
        or "/.." in path
        or "%2e" in path.lower()
    ):
        return False
    return path == own.path or path.startswith(own.path.rstrip("/") + "/") or own.path == ""
