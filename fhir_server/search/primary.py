"""The primary date of a resource: when what it tells of happened. Posting lists are in its order. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from fhir_server.conformance.definitions import SearchParameter
from fhir_server.fhir.structure import Element, TypeSource
from fhir_server.search.record import NO_DATE

PRIMARY_DATES = (
    "date", "start", "period", "started", "effective", "effective-time", "onset-date", "onset",
    "occurrence", "event-date", "start-date", "collected", "whenhandedover", "whenprepared",
    "authored-on", "authoredon", "authored", "datetime", "datewritten", "recorded-date", "recorded",
    "identified", "when", "created", "issued", "sent", "received", "entered-date", "timestamp",
    "activity-date", "modified",
)  # fmt: skip
"""Date parameters by how well they tell when something happened; a birth date does not."""

_PREFERENCE = {code: place for place, code in enumerate(PRIMARY_DATES)}


def primary_date(ranges: Iterable[tuple[str, int | str, int | str, object]]) -> int:
    """Return where the best of the dates begins; `ranges` begin with axis and low."""
    found = [
        (_PREFERENCE[axis], low)
        for axis, low, *_ in ranges
        if axis in _PREFERENCE and isinstance(low, int)
    ]
    return min(found)[1] if found else NO_DATE


def primary_parameter(parameters: Mapping[str, SearchParameter]) -> str | None:
    """Return the parameter that tells the primary date of a type: to sort by it costs nothing.

    Where a resource lacks it, another of its dates stands for it, in that order too. It is one of R4's own:
    posting lists would have to be written anew for another.
    """
    dates = [
        code
        for code, each in parameters.items()
        if each.type == "date" and code in _PREFERENCE and not each.added
    ]
    return min(dates, key=_PREFERENCE.__getitem__, default=None)


_PATH = re.compile(r"\(?([A-Z]\w+)\.(\w+)(?: as \w+\))?")


def has_one_value(parameter: SearchParameter, types: TypeSource) -> bool:
    """Tell whether a resource has at most one value of a parameter: its element is named, and does not repeat."""
    path = _PATH.fullmatch(parameter.expression)
    if path is None:
        return False
    resource_type, name = path.groups()
    elements = types.type(resource_type).elements[resource_type]
    return any(_is_named(each, name) and not each.repeats for each in elements)


def _is_named(element: Element, name: str) -> bool:
    return element.name.removesuffix("[x]") == name
