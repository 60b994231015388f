"""Places within a distance, the one special parameter of a type: https://hl7.org/fhir/R4/location.html#search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.fhirpath import Node
from fhir_server.fhir.fhirpath.quantity import measure
from fhir_server.search.expression import AllOf, HasAnyTerm, IsNear, Predicate
from fhir_server.search.geography import cells, covering
from fhir_server.search.parameter_types.criterion import Criterion, any_of, split, unescape
from fhir_server.search.parameter_types.entries import Entries, Indexer
from fhir_server.search.record import cell_term, place_term

DEFAULT_DISTANCE = "5"
"""What is near, in km, where a search gives no distance."""

MOST_PLACES = 20
"""How many places one parameter may name."""

_FURTHEST_NORTH, _FURTHEST_EAST = 90, 180
_DEGREES = re.compile(r"[+-]?\d{1,3}(?:\.\d{1,30})?\Z", re.ASCII)
_DISTANCE = re.compile(r"\d{1,12}(?:\.\d{1,30})?\Z", re.ASCII)
_, _LENGTH = measure("m")
_ALL_THE_WORLD = Fraction(30_000_000)
"""More metres than any two places are apart."""


def indexer(code: str) -> Indexer:
    """Return what indexes the positions of a location; one that is nowhere on earth is left out."""

    def index(node: Node, entries: Entries) -> None:
        latitude, longitude = node.value.get("latitude"), node.value.get("longitude")
        if not (_is_angle(latitude, _FURTHEST_NORTH) and _is_angle(longitude, _FURTHEST_EAST)):
            return
        north, east = float(latitude), float(longitude)
        entries.terms.append(place_term(code, f"{north}|{east}"))
        entries.terms.extend(cell_term(code, each) for each in cells(north, east))

    return index


def _is_angle(value: object, furthest: int) -> bool:
    return isinstance(value, int | Decimal) and -furthest <= value <= furthest


def parse(criterion: Criterion, values: Sequence[str]) -> Predicate:
    """Return what one or more places ask, each with its distance."""
    criterion.refuse_modifier()
    if len(values) > MOST_PLACES:
        raise BadRequest(
            f"{criterion.parameter.code} has {len(values)} places; {MOST_PLACES} are taken"
        )
    circles = [_circle(criterion, [unescape(part) for part in split(each, "|")]) for each in values]
    covers = [covering(each.latitude, each.longitude, each.metres) for each in circles]
    within = any_of(circles)
    found = dict.fromkeys(cell for each in covers for cell in each or ())
    if None in covers:
        return within
    # The cells lead the search; the distance is looked at of what they find.
    code = criterion.parameter.code
    return AllOf((HasAnyTerm(tuple(cell_term(code, each) for each in found)), within))


def _circle(criterion: Criterion, parts: Sequence[str]) -> IsNear:
    match parts:
        case [latitude, longitude, *rest] if len(rest) <= len(("distance", "units")):
            distance, unit = (*rest, "", "")[:2]
            return IsNear(
                criterion.parameter.code,
                _degrees(criterion, latitude, _FURTHEST_NORTH),
                _degrees(criterion, longitude, _FURTHEST_EAST),
                _metres(criterion, distance, unit),
            )
        case _:
            raise _malformed(criterion, "latitude and longitude are needed")


def _degrees(criterion: Criterion, text: str, furthest: int) -> float:
    if not _DEGREES.match(text) or abs(float(text)) > furthest:
        raise _malformed(criterion, f"{text!r} is no number from -{furthest} to {furthest}")
    return float(text)


def _metres(criterion: Criterion, distance: str, unit: str) -> float:
    # Without a distance the unit says nothing.
    size, dimension = measure((unit if distance else "") or "km")
    if dimension != _LENGTH:
        raise _malformed(
            criterion, f"{unit!r} is no unit of length in UCUM, as m, km, [mi_i] or [nmi_i] are"
        )
    if not _DISTANCE.match(distance or DEFAULT_DISTANCE):
        raise _malformed(criterion, f"{distance!r} is no distance, a number from 0 on")
    return float(min(Fraction(distance or DEFAULT_DISTANCE) * size, _ALL_THE_WORLD))


def _malformed(criterion: Criterion, reason: str) -> BadRequest:
    return criterion.malformed(
        "`latitude|longitude|distance|units`, as in 53.96|-1.08|5|km or 53.96|-1.08: " + reason
    )
