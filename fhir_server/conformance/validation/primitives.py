"""The rules of the primitive types: https://hl7.org/fhir/R4/datatypes.html#primitive.

A rule takes a JSON value and returns what is wrong with it, or None. It is the innermost part of validation,
so each rule accepts a good value with as little work as it can and explains only a bad one.
"""

from __future__ import annotations

import binascii
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from fhir_server.conformance.validation.narrative import xhtml_fault
from fhir_server.conformance.validation.report import Problem, mistyped, shown

Rule = Callable[[object], Problem | None]
"""Returns what is wrong with a JSON value, or None."""

LONGEST_STRING: Final = 1024 * 1024
LARGEST_EXPONENT: Final = 400
"""Decimals beyond the range of a double cannot be indexed, and mean nothing in health care."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_URI = re.compile(r"[^\x00-\x20\ud800-\udfff]+")
_CODE = re.compile(r"[^\x00-\x20\ud800-\udfff]+( [^\x00-\x20\ud800-\udfff]+)*")
_DAY = r"(?!0000)([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_PARTIAL = r"(?!0000)[0-9]{4}(-(0[1-9]|1[0-2]))?"
_whole_day = re.compile(_DAY).fullmatch
_whole_moment = re.compile(f"{_DAY}T{_TIME}{_ZONE}").fullmatch
_partial_date = re.compile(_PARTIAL).fullmatch
_UUID = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OID = r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+"


def _boolean(value: object) -> Problem | None:
    if value is True or value is False:
        return None
    return mistyped("true or false", value)


def _whole_number(name: str, low: int, high: int) -> Rule:
    def rule(value: object) -> Problem | None:
        if type(value) is int and low <= value <= high:
            return None
        if type(value) is int:
            return Problem("value", f"{shown(value)} is no {name}: it lies outside {low} to {high}")
        if type(value) is Decimal:
            return Problem("value", f"{shown(value)} is no {name}: write it without fraction")
        return mistyped("a whole number", value)

    return rule


def _decimal(value: object) -> Problem | None:
    if type(value) is Decimal:
        if value.is_finite() and abs(value.adjusted()) <= LARGEST_EXPONENT:
            return None
    elif type(value) is int:
        if value.bit_length() <= 3 * LARGEST_EXPONENT:
            return None
    else:
        return mistyped("a number", value)
    return Problem("value", f"the number lies beyond 1e{LARGEST_EXPONENT}, or is none")


def _written(accepts: Callable[[str], object], explain: Callable[[str], str]) -> Rule:
    """Return the rule of a type that is a string in JSON."""

    def rule(value: object) -> Problem | None:
        if type(value) is not str:
            return mistyped("a string", value)
        if accepts(value):
            return None
        if not value:
            return Problem("value", "an empty string is no value: leave the element out")
        return Problem("value", explain(value))

    return rule


def _form(name: str, form: str) -> Callable[[str], str]:
    return lambda value: f"{shown(value)} is no {name}: write {form}"


def _is_text(value: str) -> bool:
    # isprintable says yes to nearly all text at the cost of one pass in C.
    fine = value.isprintable() or not _UNPRINTABLE.search(value)
    return fine and 0 < len(value) <= LONGEST_STRING


def _text_fault(value: str) -> str:
    if len(value) > LONGEST_STRING:
        return f"the string has {len(value):,} characters: {LONGEST_STRING:,} are allowed"
    return "the string has a control character: only tab, line feed and carriage return are allowed"


def _is_uri(value: str) -> bool:
    # Printable text has no blank but the space, and is the common case.
    if value.isprintable() and value != "" and " " not in value:
        return True
    return _URI.fullmatch(value) is not None


def _uri_fault(value: str) -> str:
    return f"{shown(value)} is no uri: it has a blank or a control character in it"


def _is_code(value: str) -> bool:
    return value.isalnum() or _CODE.fullmatch(value) is not None


def _is_base64(value: str) -> bool:
    for text in (value, "".join(value.split())):
        try:
            return binascii.a2b_base64(text, strict_mode=True) != b""
        except ValueError:
            continue
    return False


def _is_real_day(match: re.Match[str] | None) -> bool:
    if match is None:
        return False
    return match[3] < "29" or int(match[3]) <= monthrange(int(match[1]), int(match[2]))[1]


def _is_date(value: str) -> bool:
    return _is_real_day(_whole_day(value)) or _partial_date(value) is not None


def _is_instant(value: str) -> bool:
    return _is_real_day(_whole_moment(value))


def _is_date_time(value: str) -> bool:
    return _is_instant(value) or _is_date(value)


def _date_fault(name: str, form: str) -> Callable[[str], str]:
    written = _form(name, form)

    def explain(value: str) -> str:
        match = _whole_day(value[:10])
        if match is None or _is_real_day(match):
            return written(value)
        return f"{shown(value)} is no {name}: {value[:7]} has no day {match[3]}"

    return explain


def _xhtml(value: object) -> Problem | None:
    if type(value) is not str:
        return mistyped("a string", value)
    fault = xhtml_fault(value)
    return None if fault is None else Problem("invariant", fault)


_TEXT = _written(_is_text, _text_fault)
_ADDRESS = _written(_is_uri, _uri_fault)
_MOMENT = "YYYY-MM-DDThh:mm:ss with Z or +hh:mm"

PRIMITIVES: Final[Mapping[str, Rule]] = {
    "base64Binary": _written(_is_base64, _form("base64Binary", "base64 with its padding")),
    "boolean": _boolean,
    "canonical": _ADDRESS,
    "code": _written(_is_code, _form("code", "it without blanks at its ends or two in a row")),
    "date": _written(_is_date, _date_fault("date", "YYYY, YYYY-MM or YYYY-MM-DD")),
    "dateTime": _written(
        _is_date_time, _date_fault("dateTime", f"YYYY, YYYY-MM, YYYY-MM-DD or {_MOMENT}")
    ),
    "decimal": _decimal,
    "id": _written(
        re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch,
        _form("id", "1 to 64 letters, digits, hyphens and dots"),
    ),
    "instant": _written(_is_instant, _date_fault("instant", _MOMENT)),
    "integer": _whole_number("integer", -(2**31), 2**31 - 1),
    "markdown": _TEXT,
    "oid": _written(
        re.compile(_OID).fullmatch, _form("OID", "urn:oid: and numbers with dots between")
    ),
    "positiveInt": _whole_number("positiveInt", 1, 2**31 - 1),
    "string": _TEXT,
    "time": _written(re.compile(_TIME).fullmatch, _form("time", "hh:mm:ss")),
    "unsignedInt": _whole_number("unsignedInt", 0, 2**31 - 1),
    "uri": _ADDRESS,
    "url": _ADDRESS,
    "uuid": _written(
        re.compile(_UUID).fullmatch, _form("UUID", "urn:uuid: and 36 lower-case characters")
    ),
    "xhtml": _xhtml,
}
"""The rule of each primitive type."""
