"""Functions on text: https://hl7.org/fhirpath/N1/#string-manipulation."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.functions.collections import integer
from fhir_server.fhir.fhirpath.node import NOTHING, Node, Nodes, single, truth
from fhir_server.fhir.fhirpath.scope import Function, of_values

LONGEST_TEXT = 10_000_000


def text(nodes: Nodes, what: str) -> str | None:
    """Return a collection as text, None if it is empty; raise FhirPathError for another type."""
    node = single(nodes, what)
    if node is None or node.value is None:
        return None
    if not isinstance(node.value, str):
        raise FhirPathError(f"{what} takes a String, not {node.type}")
    return node.value


def _string(value: str | None) -> Nodes:
    if value is None:
        return NOTHING
    if len(value) > LONGEST_TEXT:
        raise FhirPathError(f"the text has more than {LONGEST_TEXT} characters")
    return [Node("System.String", value)]


def _of_text(name: str, function: Callable[..., str | None], arguments: int = 0) -> Function:
    """Return a function from texts to a text; empty if one of them is."""

    def apply(nodes: Nodes, *others: Nodes) -> Nodes:
        texts = [text(each, name) for each in (nodes, *others)]
        return NOTHING if None in texts else _string(function(*texts))

    return of_values(apply, arguments)


def _test_of_text(name: str, function: Callable[[str, str], bool]) -> Function:
    def apply(nodes: Nodes, other: Nodes) -> Nodes:
        a, b = text(nodes, name), text(other, name)
        return truth(None if a is None or b is None else function(a, b))

    return of_values(apply, 1)


def _index_of(nodes: Nodes, part: Nodes) -> Nodes:
    a, b = text(nodes, "indexOf()"), text(part, "indexOf()")
    return NOTHING if a is None or b is None else [Node("System.Integer", a.find(b))]


def _last_index_of(nodes: Nodes, part: Nodes) -> Nodes:
    a, b = text(nodes, "lastIndexOf()"), text(part, "lastIndexOf()")
    return NOTHING if a is None or b is None else [Node("System.Integer", a.rfind(b))]


def _substring(nodes: Nodes, start: Nodes, length: Nodes | None = None) -> Nodes:
    whole, first = text(nodes, "substring()"), integer(start, "substring()")
    if whole is None or first is None or not 0 <= first < len(whole):
        return NOTHING
    count = None if length is None else integer(length, "substring()")
    return _string(whole[first:] if count is None else whole[first : first + max(0, count)])


def _length(nodes: Nodes) -> Nodes:
    whole = text(nodes, "length()")
    return NOTHING if whole is None else [Node("System.Integer", len(whole))]


def _characters(nodes: Nodes) -> Nodes:
    return [Node("System.String", each) for each in text(nodes, "toChars()") or ""]


def _split(nodes: Nodes, separator: Nodes) -> Nodes:
    whole, between = text(nodes, "split()"), text(separator, "split()")
    if whole is None or between is None:
        return NOTHING
    parts = whole.split(between) if between else list(whole)
    return [Node("System.String", each) for each in parts]


def _join(nodes: Nodes, separator: Nodes = NOTHING) -> Nodes:
    between = text(separator, "join()") or ""
    texts = [text([each], "join()") for each in nodes]
    return _string(between.join(each for each in texts if each is not None)) if nodes else NOTHING


@lru_cache(maxsize=256)
def _pattern(source: str) -> re.Pattern[str]:
    try:
        return re.compile(source, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise FhirPathError(f"{source[:80]!r} is no regular expression: {error}") from error


def _replaced(whole: str, pattern: str, substitution: str) -> str:
    if not pattern:
        return whole
    # Groups are written `$1` and `${name}` in FHIRPath.
    template = re.sub(r"\$(?:(\d+)|\{(\w+)\})", r"\\g<\1\2>", substitution.replace("\\", r"\\"))
    try:
        return _pattern(pattern).sub(template, whole)
    except (re.error, IndexError) as error:
        raise FhirPathError(f"{substitution[:80]!r} is no substitution: {error}") from error


def _encode(whole: str, how: str) -> str:
    data = whole.encode()
    match how:
        case "hex":
            return data.hex()
        case "base64":
            return base64.b64encode(data).decode()
        case "urlbase64":
            return base64.urlsafe_b64encode(data).decode()
        case _:
            raise FhirPathError(f"{how!r} is none of hex, base64, urlbase64")


def _decode(whole: str, how: str) -> str | None:
    try:
        match how:
            case "hex":
                return bytes.fromhex(whole).decode()
            case "base64":
                return base64.b64decode(whole, validate=True).decode()
            case "urlbase64":
                return base64.urlsafe_b64decode(whole).decode()
            case _:
                raise FhirPathError(f"{how!r} is none of hex, base64, urlbase64")
    except (ValueError, binascii.Error):
        return None


def _escape(whole: str, how: str) -> str:
    match how:
        case "html":
            return html.escape(whole)
        case "json":
            return json.dumps(whole, ensure_ascii=False)[1:-1]
        case _:
            raise FhirPathError(f"{how!r} is none of html, json")


def _unescape(whole: str, how: str) -> str | None:
    match how:
        case "html":
            return html.unescape(whole)
        case "json":
            try:
                return str(json.loads(f'"{whole}"', strict=False))
            except ValueError:
                # What needs no escape outside of JSON may stand for itself.
                return whole.replace('\\"', '"').replace("\\\\", "\\")
        case _:
            raise FhirPathError(f"{how!r} is none of html, json")


FUNCTIONS: Mapping[str, Function] = {
    "indexOf": of_values(_index_of, 1),
    "lastIndexOf": of_values(_last_index_of, 1),
    "substring": of_values(_substring, 1, 1),
    "startsWith": _test_of_text("startsWith()", str.startswith),
    "endsWith": _test_of_text("endsWith()", str.endswith),
    "contains": _test_of_text("contains()", lambda whole, part: part in whole),
    "matches": _test_of_text("matches()", lambda whole, p: _pattern(p).search(whole) is not None),
    "matchesFull": _test_of_text(
        "matchesFull()", lambda whole, p: _pattern(p).fullmatch(whole) is not None
    ),
    "upper": _of_text("upper()", str.upper),
    "lower": _of_text("lower()", str.lower),
    "trim": _of_text("trim()", str.strip),
    "replace": _of_text("replace()", str.replace, 2),
    "replaceMatches": _of_text("replaceMatches()", _replaced, 2),
    "length": of_values(_length),
    "toChars": of_values(_characters),
    "split": of_values(_split, 1),
    "join": of_values(_join, 0, 1),
    "encode": _of_text("encode()", _encode, 1),
    "decode": _of_text("decode()", _decode, 1),
    "escape": _of_text("escape()", _escape, 1),
    "unescape": _of_text("unescape()", _unescape, 1),
}
