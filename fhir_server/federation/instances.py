"""What one member answers of one resource: its bytes as they came, and the links of its history led through the hub. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

import msgspec

from fhir_server.federation.answers import BadAnswer, is_below
from fhir_server.fhir.resource import Key


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    version_id: str | None = None
    last_updated: str | None = None


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str
    id: str | None = None
    meta: _Meta = _Meta()


class _Request(msgspec.Struct):
    url: str


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()
    request: _Request | None = None


class _Link(msgspec.Struct):
    relation: str
    url: str


_head = msgspec.json.Decoder(_Head).decode
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_entries = msgspec.json.Decoder(list[_Entry]).decode
_links = msgspec.json.Decoder(list[_Link]).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Told:
    """What a resource says of its version: the id, and when it was updated, as they are written."""

    version: str | None
    updated: str | None


def told_of(content: bytes, key: Key) -> Told:
    """Return what a member's resource says of its version; raise BadAnswer unless it is the one at the address."""
    try:
        head = _head(content)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadAnswer("it answered what is no resource") from error
    if (head.resource_type, head.id) != (key.type, key.id):
        raise BadAnswer("it answered another resource than was asked for")
    return Told(head.meta.version_id, head.meta.last_updated)


def is_statement(content: bytes) -> bool:
    """Tell whether a member answered a CapabilityStatement."""
    try:
        return _head(content).resource_type == "CapabilityStatement"
    except (msgspec.MsgspecError, RecursionError):
        return False


@dataclass(frozen=True, slots=True)
class History:
    """A page of the history of one resource at a member: its Bundle in parts, where its next page is, the versions."""

    parts: Mapping[str, msgspec.Raw]
    next: str | None
    resources: Sequence[bytes]

    def linked(self, links: Mapping[str, str]) -> bytes:
        """Return the Bundle with these links, URLs by relation, and all else as it came."""
        told = _encode([{"relation": name, "url": url} for name, url in links.items()])
        parts = {"link": told} | {
            name: bytes(raw) for name, raw in self.parts.items() if name != "link"
        }
        ordered = ["resourceType", *(name for name in parts if name != "resourceType")]
        return b"{" + b",".join(_encode(name) + b":" + parts[name] for name in ordered) + b"}"


def history_of(content: bytes, key: Key, *, asked: str, base: str) -> History:
    """Return the page of history that a member answered at the URL `asked`; raise BadAnswer.

    All of it is about the resource, and its next page is below the member's base.
    """
    try:
        parts = _parts(content)
        kinds = tuple(
            _text(parts.get(name, msgspec.Raw(b'""'))) for name in ("resourceType", "type")
        )
        entries = _entries(parts.get("entry", msgspec.Raw(b"[]")))
        links = _links(parts.get("link", msgspec.Raw(b"[]")))
        is_own = all(_is_of(each, key) for each in entries)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadAnswer("its answer is no Bundle of FHIR") from error
    if kinds != ("Bundle", "history"):
        raise BadAnswer("its answer is no history")
    if not is_own:
        raise BadAnswer("its history is of other resources too")
    following = _next(links, asked=asked, is_own=lambda url: is_below(url, base))
    versions = [bytes(each.resource) for each in entries if bytes(each.resource)]
    return History(parts, following, versions)


def _is_of(entry: _Entry, key: Key) -> bool:
    """Tell whether an entry is about a resource: by what it holds, or for a deletion by its request."""
    if bytes(entry.resource):
        head = _head(entry.resource)
        return (head.resource_type, head.id) == (key.type, key.id)
    path = "" if entry.request is None else f"/{entry.request.url.partition('/_history')[0]}"
    return path.endswith(f"/{key}")


def _next(links: list[_Link], *, asked: str, is_own: Callable[[str], bool]) -> str | None:
    url = next((each.url for each in links if each.relation == "next"), None)
    if url is None:
        return None
    absolute = urljoin(asked, url)
    if not is_own(absolute) or absolute == asked:
        raise BadAnswer("its next page is at another address than its own")
    return absolute
