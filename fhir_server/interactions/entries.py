"""The entries of a transaction as typed values: what each asks for, before anything is looked up.

https://hl7.org/fhir/R4/bundle.html#bundle-request
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from fhir_server.fhir.errors import (
    BadRequest,
    FhirError,
    InvalidResource,
    NotSupported,
    TooCostly,
)
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.addressing import check_type, check_writable
from fhir_server.interactions.call import Call
from fhir_server.interactions.criteria import Criteria, criteria_of
from fhir_server.interactions.drafting import check_same_id
from fhir_server.interactions.patch import Change, FhirPathPatch, JsonPatch
from fhir_server.interactions.writing import check_if_match

MOST_ENTRIES = 1_000
_ETAG = re.compile(r'(?:W/)?"(\d{1,15})"\Z')


@dataclass(frozen=True, slots=True)
class Creation:
    """POST; `key` has the id that the resource gets unless something matches the criteria."""

    index: int
    key: Key
    resource: Resource
    full_url: str | None
    criteria: Criteria | None


@dataclass(frozen=True, slots=True)
class Replacement:
    """PUT; `fresh_id` is for criteria that match nothing, and a body without an id."""

    index: int
    where: Key | Criteria
    resource: Resource
    full_url: str | None
    if_match: int | None
    fresh_id: str


@dataclass(frozen=True, slots=True)
class Modification:
    """PATCH."""

    index: int
    where: Key | Criteria
    change: Change
    full_url: str | None
    if_match: int | None


@dataclass(frozen=True, slots=True)
class Removal:
    """DELETE."""

    index: int
    where: Key | Criteria
    if_match: int | None


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """GET or HEAD: `url`, relative to the base, is for the HTTP layer to run after the commit."""

    index: int
    method: str
    url: str


Entry: TypeAlias = Creation | Replacement | Modification | Removal | ReadEntry


def read_entries(call: Call, bundle: Resource, most: int = MOST_ENTRIES) -> tuple[Entry, ...]:
    """Return the entries of a transaction Bundle; raise a FhirError that names the entry at fault."""
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "transaction":
        raise BadRequest("a transaction is a Bundle of the type `transaction`", expression="Bundle")
    _check_frame(call, bundle)
    sent = bundle.get("entry", ())
    if len(sent) > most:
        raise TooCostly(f"a transaction has {most} entries at most, and this one {len(sent)}")
    _check_full_urls(sent)
    return tuple(_read(call, index, each) for index, each in enumerate(sent))


@contextmanager
def at_entry(index: int) -> Iterator[None]:
    """Let each error that is raised within say which entry is at fault."""
    try:
        yield
    except InvalidResource as error:
        raise InvalidResource(_located(error, f"Bundle.entry[{index}]")) from error
    except FhirError as error:
        place = f"Bundle.entry[{index}]"
        error.args = (f"{place}: {error}; nothing was written",)
        error.expression = _within(place, error.expression) if error.expression else place
        raise


def invalid(issues: Iterable[Issue]) -> InvalidResource:
    """Return the answer for a Bundle with these issues."""
    message = "Nothing was written: a transaction is all or nothing"
    return InvalidResource([*issues, Issue("information", "informational", message)])


def _located(error: InvalidResource, place: str) -> list[Issue]:
    """Return the issues of an entry's resource with their place in the Bundle."""
    return [
        replace(each, expression=_within(place, each.expression or "")) for each in error.issues
    ]


def _within(place: str, expression: str) -> str:
    """Return `Patient.name[0]` as a place in the entry: `Bundle.entry[3].resource.name[0]`."""
    head, _, tail = expression.partition(".")
    inner = tail if head[:1].isupper() else expression
    return f"{place}.resource.{inner}" if inner else f"{place}.resource"


def _check_frame(call: Call, bundle: Resource) -> None:
    """Validate the Bundle without its resources, which are validated as they will be stored."""
    sent = bundle.get("entry")
    frame = dict(bundle)
    if isinstance(sent, list):
        frame["entry"] = [_without_resource(index, each) for index, each in enumerate(sent)]
    issues = [each for each in call.validator.validate(frame) if each.severity == "error"]
    if issues:
        raise invalid(issues)


def _without_resource(index: int, entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    with at_entry(index):
        if "request" not in entry:
            raise BadRequest("an entry of a transaction needs a request with a method and a url")
    return {name: value for name, value in entry.items() if name != "resource"}


def _check_full_urls(sent: list[Resource]) -> None:
    first: dict[str, int] = {}
    for index, each in enumerate(sent):
        url = each.get("fullUrl")
        if url is not None and first.setdefault(url, index) != index:
            with at_entry(index):
                raise BadRequest(f"the fullUrl {url} is that of entry {first[url]} as well")


def _read(call: Call, index: int, entry: Resource) -> Entry:
    with at_entry(index):
        request = entry["request"]
        method = request["method"]
        url = _local(call, request["url"])
        if method in {"GET", "HEAD"}:
            return ReadEntry(index, method, url)
        _check_preconditions(method, request)
        if method == "POST":
            return _creation(call, index, url, entry)
        where = _where(call, method, url)
        if_match = _if_match(request)
        if method == "DELETE":
            return Removal(index, where, if_match)
        resource = _resource(method, entry)
        full_url = entry.get("fullUrl")
        if method == "PATCH":
            return Modification(index, where, _change(resource), full_url, if_match)
        if isinstance(where, Key):
            check_same_id(resource, where)
        return Replacement(index, where, resource, full_url, if_match, call.new_id())


def _creation(call: Call, index: int, url: str, entry: Resource) -> Creation:
    if not url.isalpha():
        raise NotSupported(
            f"POST {url} is not served in a transaction: its url is a resource type, as in `Patient`"
        )
    check_type(call, url)
    query = entry["request"].get("ifNoneExist")
    criteria = None if query is None else criteria_of(call, url, query)
    resource = _resource("POST", entry)
    return Creation(index, Key(url, call.new_id()), resource, entry.get("fullUrl"), criteria)


def _local(call: Call, url: str) -> str:
    """Return a url relative to this server's base."""
    local = url.removeprefix(f"{call.base_url}/").lstrip("/")
    if re.match(r"[a-z][a-z0-9+.\-]*:", local):
        raise BadRequest(f"the url {url} is not an address of this server, {call.base_url}")
    return local


def _where(call: Call, method: str, url: str) -> Key | Criteria:
    path, conditional, query = url.partition("?")
    resource_type, has_id, resource_id = path.partition("/")
    if bool(conditional) == bool(has_id) or "/" in resource_id or resource_id.startswith("$"):
        raise BadRequest(
            f"{method} {url} is not served in a transaction: its url is `Type/id` or `Type?criteria`"
        )
    if conditional:
        return criteria_of(call, resource_type, query)
    key = Key(resource_type, resource_id)
    check_writable(call, key)
    return key


def _check_preconditions(method: str, request: Resource) -> None:
    """Refuse a precondition that would not be kept; left out silently, it would do harm."""
    served = {"POST": "ifNoneExist"}.get(method, "ifMatch")
    for name in ("ifNoneMatch", "ifModifiedSince", "ifMatch", "ifNoneExist"):
        if name in request and name != served:
            raise NotSupported(f"{name} is not served for {method} in a transaction")


def _if_match(request: Resource) -> int | None:
    said = request.get("ifMatch")
    if said is None:
        return None
    tag = _ETAG.match(said)
    if tag is None:
        raise BadRequest(f'ifMatch={said!r} is no version of this server, which look like W/"3"')
    version = int(tag[1])
    check_if_match(version)
    return version


def _resource(method: str, entry: Resource) -> Resource:
    resource = entry.get("resource")
    if not isinstance(resource, dict):
        raise BadRequest(f"{method} needs a resource in its entry")
    return resource


def _change(resource: Resource) -> Change:
    kind = resource.get("resourceType")
    if kind == "Parameters":
        return FhirPathPatch(resource)
    content = resource.get("contentType")
    if kind != "Binary" or content != "application/json-patch+json":
        raise BadRequest(
            "PATCH takes a Parameters resource, or a Binary with the contentType "
            f"application/json-patch+json; this is a {kind} with the contentType {content!r}"
        )
    try:
        return JsonPatch(parse(b64decode(resource.get("data", ""), validate=True)))
    except (NotBase64, TypeError) as error:
        raise BadRequest(f"the data of the Binary is not base64: {error}") from error
