"""Checks of one property: a single value or a list, of a primitive or of a complex type.

https://hl7.org/fhir/R4/json.html. `name` is the JSON property, `shown` the element's name in a location; they
differ for choices (valueString is shown as value).
"""

from __future__ import annotations

from typing import Any, TypeGuard

from fhir_server.conformance.validation.primitives import Rule
from fhir_server.conformance.validation.report import Place, Problem, Report, child, kind
from fhir_server.conformance.validation.shape import PropertyCheck, ValueCheck


def one_primitive(shown: str, rule: Rule) -> PropertyCheck:
    """Return the check of a primitive that may be there once."""

    def check(value: Any, _: dict[str, Any], place: Place, report: Report) -> None:
        problem = rule(value)
        if problem is not None:
            report.add(_ONCE if type(value) is list else problem, place, shown)

    return check


def many_primitives(name: str, rule: Rule) -> PropertyCheck:
    """Return the check of a list of primitives; null stands for a value that only has extensions."""
    partner = "_" + name

    def check(values: Any, owner: dict[str, Any], place: Place, report: Report) -> None:
        if not _is_filled_list(values, name, place, report):
            return
        for index, value in enumerate(values):
            if value is None:
                if not _has(owner.get(partner), index):
                    report.add(_null(partner), place, name, index)
            else:
                problem = rule(value)
                if problem is not None:
                    report.add(problem, place, name, index)

    return check


def one_partner(name: str, shown: str, element: ValueCheck) -> PropertyCheck:
    """Return the check of the id and extensions of a single primitive: `_birthDate`."""

    def check(value: Any, owner: dict[str, Any], place: Place, report: Report) -> None:
        at = child(place, shown)
        element(value, at, report)
        if name not in owner:
            _check_extended(value, at, report)

    return check


def many_partners(name: str, element: ValueCheck) -> PropertyCheck:
    """Return the check of the ids and extensions of a list of primitives: `_given`."""

    def check(values: Any, owner: dict[str, Any], place: Place, report: Report) -> None:
        if not _is_filled_list(values, name, place, report):
            return
        partner = owner.get(name)
        if type(partner) is list and len(partner) != len(values):
            report.add(_uneven(name, len(partner), len(values)), place, name)
        for index, value in enumerate(values):
            at = child(place, name, index)
            if value is not None:
                element(value, at, report)
                if not _has(partner, index):
                    _check_extended(value, at, report)
            elif type(partner) is not list:
                report.add(_null(name), at)

    return check


def one_element(shown: str, element: ValueCheck) -> PropertyCheck:
    """Return the check of a complex element that may be there once."""

    def check(value: Any, _: dict[str, Any], place: Place, report: Report) -> None:
        if type(value) is list:
            report.add(_ONCE, place, shown)
        else:
            element(value, (place, shown, None, place[3] + 1), report)

    return check


def many_elements(name: str, element: ValueCheck) -> PropertyCheck:
    """Return the check of a list of complex elements."""

    def check(values: Any, _: dict[str, Any], place: Place, report: Report) -> None:
        if not _is_filled_list(values, name, place, report):
            return
        depth = place[3] + 1
        for index, value in enumerate(values):
            element(value, (place, name, index, depth), report)

    return check


def prohibited(name: str) -> PropertyCheck:
    """Return the check of an element that a profile of a data type has taken away."""
    problem = Problem("structure", f"{name} may not be given here")

    def check(_: Any, __: dict[str, Any], place: Place, report: Report) -> None:
        report.add(problem, place, name)

    return check


def unchecked(_: Any, __: dict[str, Any], ___: Place, ____: Report) -> None:
    """Accept a property that was judged before."""


def _is_filled_list(values: Any, name: str, place: Place, report: Report) -> TypeGuard[list[Any]]:
    if type(values) is not list:
        text = f"{name} is a list: write [ … ] around {kind(values)}"
        report.add(Problem("structure", text), place, name)
        return False
    if not values:
        report.add(_EMPTY_LIST, place, name)
        return False
    return True


def _check_extended(value: Any, place: Place, report: Report) -> None:
    if type(value) is dict and value and "extension" not in value:
        report.add(_VALUELESS, place)


def _has(values: Any, index: int) -> bool:
    return type(values) is list and index < len(values) and values[index] is not None


def _null(partner: str) -> Problem:
    return Problem(
        "structure", f"null stands for nothing here: {partner} has no entry in the same place"
    )


def _uneven(name: str, values: int, partners: int) -> Problem:
    text = f"{name} has {values} entries and _{name} {partners}: fill the shorter up with null"
    return Problem("structure", text)


_ONCE = Problem("structure", "the element may be given once: write its value without [ … ]")
_EMPTY_LIST = Problem("structure", "the list is empty: leave the element out")
_VALUELESS = Problem("structure", "the element has neither a value nor extensions")
