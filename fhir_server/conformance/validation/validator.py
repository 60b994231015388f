"""Judges resources by the base definitions of R4: https://hl7.org/fhir/R4/validation.html.

Structure, cardinality, value domains, references and required bindings; invariants and profiles are not judged here.
"""

from __future__ import annotations

from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from fhir_server.conformance.definitions import Definitions
from fhir_server.conformance.validation.compilation import Compiler
from fhir_server.conformance.validation.references import check_pointers
from fhir_server.conformance.validation.report import (
    Full,
    Place,
    Problem,
    Report,
    mistyped,
    root,
    shown,
)
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Resource


class Validator:
    """Judges resources; what it needs of a type is compiled when a value of it is first met."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._compiler = Compiler(
            definitions, resource=self._check_resource, contained=self._check_contained
        )

    def validate(
        self, resource: Resource, *, expected_type: str | None = None
    ) -> tuple[Issue, ...]:
        """Return what is wrong with a resource, in its own order; nothing means that it is valid.

        In a transaction Bundle references may be searches (`Patient?identifier=…`), elsewhere not.
        """
        report = Report()
        with suppress(Full):
            self._check_root(resource, expected_type, report)
        return tuple(report.issues)

    def _check_root(self, resource: Any, expected_type: str | None, report: Report) -> None:
        name = resource.get("resourceType") if type(resource) is dict else None
        if type(name) is not str or name not in self._definitions.resource_types:
            name = "Resource"
        elif name != (expected_type or name):
            report.add(_unexpected(expected_type, name), root(name))
        self._check_resource(resource, root(name), report)

    def _check_resource(self, value: Any, place: Place, report: Report) -> None:
        """Check a resource that stands for itself: its local references stay within it."""
        outer = report.pointers, report.conditional_references
        report.pointers = []
        if type(value) is dict and value.get("resourceType") == "Bundle":
            report.conditional_references = value.get("type") == "transaction"
        self._check_shape(value, place, report)
        if report.pointers or (type(value) is dict and "contained" in value):
            check_pointers(value, place, report)
        report.pointers, report.conditional_references = outer

    def _check_contained(self, value: Any, place: Place, report: Report) -> None:
        """Check a contained resource: https://hl7.org/fhir/R4/references.html#contained."""
        if type(value) is dict:
            if "id" not in value:
                report.add(_NEEDS_ID, place, "id")
            if "contained" in value:
                report.add(_NESTED, place, "contained")
        self._check_shape(value, place, report)

    def _check_shape(self, value: Any, place: Place, report: Report) -> None:
        if type(value) is not dict:
            report.add(mistyped("a resource (an object)", value), place)
            return
        name = value.get("resourceType")
        if type(name) is str and name in self._definitions.resource_types:
            self._compiler.shape(name).check(value, place, report)
        else:
            report.add(self._untyped(name), place)

    def _untyped(self, name: object) -> Problem:
        if name is None:
            return Problem("structure", "a resource needs its resourceType")
        if type(name) is not str:
            return mistyped("a resource type (a string)", name)
        near = get_close_matches(name, self._definitions.resource_types, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return Problem("structure", f"{shown(name)} is no resource type of R4{hint}")


def _unexpected(expected: str | None, name: str) -> Problem:
    return Problem("invalid", f"{expected} is needed here, not {name}")


_NEEDS_ID = Problem("required", "a contained resource needs an id, so that it can be referred to")
_NESTED = Problem("invariant", "a contained resource may not contain others (dom-2)")
