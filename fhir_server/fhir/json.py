"""FHIR's JSON form, read strictly and written compactly: https://hl7.org/fhir/R4/json.html.

What is read is what is written: the order of members and the digits of decimals are kept (`1.00` stays
`1.00`; `1e2` is written `1E+2`, the same number with the same precision). What two readers could
understand differently, such as a key that appears twice, is refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, NoReturn

import msgspec

from fhir_server.fhir.errors import BadSyntax
from fhir_server.fhir.resource import Resource


@dataclass(frozen=True, slots=True)
class Limits:
    """How deep a body may nest, and how long and how large its numbers may be."""

    depth: int = 64
    digits: int = 100
    exponent: int = 400


DEFAULT = Limits()

_BOM = b"\xef\xbb\xbf"
_AS_NINES = bytes.maketrans(b"012345678", b"9" * 9)
_SUSPECT = re.compile(rb"\\(?:u00[01]|u[fF]{3}[eEfF]|[bf])|\xef\xbf[\xbe\xbf]")
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NEGATIVES_BELOW_ONE = (b":-0", b"[-0", b",-0")
_NEGATIVE_ZERO = re.compile(rb"[:\[,]-0[,\]}]")
_CONTAINERS = frozenset((dict, list))
_EXPONENT = re.compile(r"[eE]([+-]?)0*(\d*)\Z")

_encoder = msgspec.json.Encoder(decimal_format="number")


def parse(body: bytes | bytearray, *, limits: Limits = DEFAULT) -> Any:
    """Return the value of a JSON text; raise BadSyntax, with the place, if it is not sound JSON."""
    body = body.removeprefix(_BOM)
    try:
        value = _decoder(limits).decode(body)
        if _unusual(body, value, limits):
            value = _read_exactly(body, limits)
    except RecursionError:
        raise BadSyntax(_too_deep(limits)) from None
    except msgspec.ValidationError:
        raise BadSyntax(_too_long(limits)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        _refuse_malformed(body, limits)
    if (b"\\" in body or b"\xef\xbf" in body) and _SUSPECT.search(body):
        _refuse_what_xml_cannot_hold(value)
    return value


def parse_resource(body: bytes | bytearray, *, limits: Limits = DEFAULT) -> Resource:
    """Return the resource of a JSON text; raise BadSyntax if it is not one."""
    value = parse(body, limits=limits)
    if not isinstance(value, dict):
        raise BadSyntax(
            f"a resource is a JSON object with a resourceType; this body is {_kind(value)}"
        )
    resource_type = value.get("resourceType")
    if not isinstance(resource_type, str):
        case = "has none" if resource_type is None else f"gives {_kind(resource_type)}"
        raise BadSyntax(
            f'a resource names its type ("resourceType": "Patient"); this object {case}'
        )
    return value


def dump(value: Any) -> bytes:
    """Return a value as compact JSON; the order of members and the digits of decimals are kept."""
    return _encoder.encode(value)


def dump_pretty(value: Any) -> bytes:
    """Return a value as JSON for people, two blanks a level."""
    return msgspec.json.format(_encoder.encode(value), indent=2)


def members(value: Resource) -> bytes:
    """Return the members of an object without its braces, to be spliced into another."""
    return _encoder.encode(value)[1:-1]


def number(text: str, limits: Limits = DEFAULT) -> Decimal:
    """Return a decimal with its digits; raise BadSyntax if it is beyond all measure."""
    if len(text) > limits.digits:
        digits = sum(map(str.isdigit, text.lower().partition("e")[0]))
        if digits > limits.digits:
            raise BadSyntax(_too_long(limits))
    if "e" in text or "E" in text:
        exponent = _EXPONENT.search(text)
        size = exponent[2] if exponent else ""
        if len(size) > len(str(limits.exponent)) or int(size or 0) > limits.exponent:
            raise BadSyntax(
                f"the exponent of the number {text[:40]} is out of range;"
                f" {limits.exponent} is the largest that is taken"
            )
    return Decimal(text)


def refuse_depth(value: Any, limits: Limits = DEFAULT) -> None:
    """Raise BadSyntax if objects and arrays nest deeper than the limit."""
    _count_members(value, limits)


@lru_cache(maxsize=8)
def _decoder(limits: Limits) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(float_hook=partial(number, limits=limits))


def _unusual(body: bytes | bytearray, value: Any, limits: Limits) -> bool:
    """Tell whether the fast reader may have passed over something, or lost it.

    Of a key that appears twice it keeps the last, an integer may be too long, and -0 loses its sign.
    """
    members = _count_members(value, limits)
    if b"9" * (limits.digits + 1) in body.translate(_AS_NINES):
        return True
    compact = msgspec.json.format(body, indent=-1)
    # Each member has a quote and a colon; a string can hold more of them, so that this errs one way only.
    if compact.count(b'":') != members:
        return True
    # A search for the short texts is far cheaper than the pattern, and hardly ever finds one.
    below_one = any(each in compact for each in _NEGATIVES_BELOW_ONE)
    return below_one and _NEGATIVE_ZERO.search(compact) is not None


def _count_members(value: Any, limits: Limits) -> int:
    """Return the number of members of all objects; raise BadSyntax for one that nests too deep."""
    members, depth = 0, 0
    level = [value] if type(value) in _CONTAINERS else []
    while level:
        depth += 1
        if depth > limits.depth:
            raise BadSyntax(_too_deep(limits))
        inner: list[Any] = []
        add = inner.append
        for each in level:
            children = each
            if type(each) is dict:
                members += len(each)
                children = each.values()
            for child in children:
                if type(child) in _CONTAINERS:
                    add(child)
        level = inner
    return members


def _too_deep(limits: Limits) -> str:
    return f"the body nests deeper than {limits.depth} levels"


def _too_long(limits: Limits) -> str:
    return f"a number has more than {limits.digits} digits"


def _kind(value: Any) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return "a string"
        case bool():
            return "a boolean"
        case None:
            return "null"
        case _:
            return "a number"


def _refuse_malformed(body: bytes | bytearray, limits: Limits) -> NoReturn:
    """Say what is wrong with a text that is not JSON: the strict reader's own words are terse."""
    if not body.strip():
        raise BadSyntax("the body is empty; a JSON object was expected")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadSyntax(f"the body is not UTF-8: byte {error.start} begins no character") from None
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise BadSyntax(
            f"the JSON is malformed: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise BadSyntax(_too_deep(limits)) from None
    # All else that the other reader takes and this one does not.
    place = next((path for path, string in _strings(value) if _SURROGATE.search(string)), None)
    raise BadSyntax("a string holds half a surrogate pair", expression=place)


def _refuse_constant(name: str) -> NoReturn:
    raise BadSyntax(f"{name} is no JSON number")


class _Twice(dict[str, Any]):
    """An object in whose text a key appears twice."""

    key = ""


def _read_exactly(body: bytes | bytearray, limits: Limits) -> Any:
    """Read a text that is known to be JSON once more, slowly; raise BadSyntax for what is unsound."""
    unsound: list[_Twice] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        twice = _Twice(found)
        twice.key, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        unsound.append(twice)
        return twice

    value = json.loads(
        body,
        object_pairs_hook=collect,
        parse_int=partial(_integer, limits=limits),
        parse_float=partial(number, limits=limits),
    )
    if unsound:
        # The last is the outermost: it is always in the value, an inner one may have been replaced.
        twice = unsound[-1]
        path = next(path for path, each in _walk(value) if each is twice)
        raise BadSyntax(f'the key "{twice.key}" appears twice in one object', expression=path)
    return value


def _integer(text: str, limits: Limits) -> int | Decimal:
    if len(text.lstrip("-")) > limits.digits:
        raise BadSyntax(_too_long(limits))
    return Decimal(text) if text == "-0" else int(text)


def _refuse_what_xml_cannot_hold(value: Any) -> None:
    for path, string in _strings(value):
        found = _NOT_XML.search(string)
        if found:
            raise BadSyntax(
                f"U+{ord(found[0]):04X} is a control character or noncharacter, not allowed in FHIR",
                expression=path,
            )


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Yield each string and each key, with its place."""
    for path, each in _walk(value):
        if isinstance(each, str):
            yield path, each
        elif isinstance(each, dict):
            for key in each:
                yield path, key


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a value and all within it, each with its place as a FHIRPath expression."""
    root = value.get("resourceType") if isinstance(value, dict) else None
    stack = [(root if isinstance(root, str) else "$this", value)]
    while stack:
        path, each = stack.pop()
        yield path, each
        if isinstance(each, dict):
            stack.extend((f"{path}.{key}", child) for key, child in each.items())
        elif isinstance(each, list):
            stack.extend((f"{path}[{index}]", child) for index, child in enumerate(each))
