"""Required bindings to value sets whose codes are known: https://hl7.org/fhir/R4/terminologies.html#required."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from fhir_server.conformance.validation.primitives import Rule
from fhir_server.conformance.validation.report import Place, Problem, Report, shown
from fhir_server.conformance.validation.shape import ValueCheck

Codes = Mapping[str, frozenset[str]]
"""The codes of a value set by their system."""

_MOST_LISTED: Final = 12


def bound_code(rule: Rule, codes: Codes, url: str) -> Rule:
    """Return the rule of a code, string or uri that is one of a value set's."""
    allowed = frozenset[str]().union(*codes.values())

    def bound(value: object) -> Problem | None:
        if type(value) is str and value in allowed:
            return None
        problem = rule(value)
        if problem is None and type(value) is str:
            problem = Problem("code-invalid", _unlisted(value, allowed, url))
        return problem

    return bound


def bound_coding(check: ValueCheck, codes: Codes, url: str) -> ValueCheck:
    """Return the check of a Coding or Quantity whose system and code are of a value set."""

    def bound(value: Any, place: Place, report: Report) -> None:
        check(value, place, report)
        if type(value) is dict and not _is_of(codes, value):
            report.add(_foreign(value.get("code"), codes, url), place)

    return bound


def bound_concept(check: ValueCheck, codes: Codes, url: str) -> ValueCheck:
    """Return the check of a CodeableConcept of which one coding is of a value set."""

    def bound(value: Any, place: Place, report: Report) -> None:
        check(value, place, report)
        if type(value) is not dict:
            return
        codings = value.get("coding")
        given = codings if type(codings) is list else []
        if not any(type(each) is dict and _is_of(codes, each) for each in given):
            first = next((each.get("code") for each in given if type(each) is dict), None)
            report.add(_foreign(first, codes, url), place)

    return bound


def _is_of(codes: Codes, value: dict[str, Any]) -> bool:
    system, code = value.get("system"), value.get("code")
    return type(system) is str and type(code) is str and code in codes.get(system, ())


def _foreign(code: object, codes: Codes, url: str) -> Problem:
    allowed = frozenset[str]().union(*codes.values())
    if type(code) is not str:
        return Problem("code-invalid", f"a code of {url} is needed, and none is given")
    if code in allowed:
        systems = " or ".join(sorted(system for system in codes if code in codes[system]))
        return Problem("code-invalid", f"the code {shown(code)} needs the system {systems}")
    return Problem("code-invalid", _unlisted(code, allowed, url))


def _unlisted(value: str, allowed: frozenset[str], url: str) -> str:
    if len(allowed) <= _MOST_LISTED:
        return f"{shown(value)} is not in {url}: it has {', '.join(sorted(allowed))}"
    near = get_close_matches(value, allowed, 1)
    return f"{shown(value)} is not in {url}" + (f"; near is {near[0]}" if near else "")
