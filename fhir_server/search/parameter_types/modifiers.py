"""The modifiers that each type of parameter has here: https://hl7.org/fhir/R4/search.html#modifiers. Pure.

Refusals name them from this table, and `tests/search/test_coverage.py` asks for cases of each.
"""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.conformance.definitions import SearchParameter

ANY_TYPE = "[type]"
"""In place of the name of a resource type."""

MODIFIERS: Mapping[str, tuple[str, ...]] = {
    "composite": (),
    "date": (),
    "number": (),
    "quantity": (),
    "reference": ("identifier", ANY_TYPE),
    "string": ("exact", "contains", "text"),
    "token": ("not", "of-type", "text", "in", "not-in"),
    "uri": ("above", "below"),
}
"""Besides `missing`, which all have."""

_CODINGS = frozenset(("_tag", "_security"))

COMMON = ("_id", "_security", "_tag")
"""Parameters that have other modifiers than their type."""


def modifiers_of(parameter: SearchParameter) -> tuple[str, ...]:
    """Return the modifiers of a parameter: neither a logical id nor a label is an identifier with a type."""
    return modifiers_of_code(parameter.code, parameter.type)


def modifiers_of_code(code: str, kind: str) -> tuple[str, ...]:
    """Return the modifiers of a parameter of this code and type."""
    if code == "_id":
        return "missing", "not"
    own = MODIFIERS.get(kind, ())
    if code in _CODINGS:
        own = tuple(each for each in own if each != "of-type")
    return "missing", *own
