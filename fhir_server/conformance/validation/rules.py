"""What a type demands of its elements as a whole, beyond their presence and types.

A rule is run after the children, on an element that is a non-empty object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fhir_server.conformance.validation.primitives import PRIMITIVES
from fhir_server.conformance.validation.report import Place, Problem, Report, shown
from fhir_server.conformance.validation.shape import ValueCheck


def _check_extension(value: Any, place: Place, report: Report) -> None:
    """Hold ext-1, and that the URL is one of a definition: within an extension a name will do."""
    valued = any(name.startswith(("value", "_value")) for name in value)
    if valued == ("extension" in value):
        report.add(_BOTH if valued else _NEITHER, place)
    url = value.get("url")
    if type(url) is str and ":" not in url and not _may_have_name(url, place):
        report.add(
            Problem("value", f"{shown(url)} is no absolute URL of a definition"), place, "url"
        )


def _may_have_name(url: str, place: Place) -> bool:
    """Tell whether the URL may be relative: in an extension, or where it is refused for its form."""
    parent = place[0]
    return parent is None or parent[1] in _EXTENSIONS or PRIMITIVES["uri"](url) is not None


_EXTENSIONS = ("extension", "modifierExtension")
_BOTH = Problem("invariant", "an extension has a value or extensions, not both (ext-1)")
_NEITHER = Problem("invariant", "an extension needs a value or extensions (ext-1)")

RULES: Final[Mapping[str, tuple[ValueCheck, ...]]] = {"Extension": (_check_extension,)}
"""What a type demands beyond the presence and types of its elements."""
