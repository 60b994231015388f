"""Whom a resource mentions, anywhere in it: Patients by a reference, and people by their NHS number. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.fhir.nhs_number import SYSTEM, number_in
from fhir_server.fhir.resource import Resource
from fhir_server.search.parameter_types.reference import local

_PATIENT = "Patient/"


@dataclass(slots=True)
class Mentions:
    """The ids of `patients`, and the NHS `numbers` of people besides who a Patient says to be itself."""

    base_url: str
    patients: set[str]
    numbers: set[str] = field(default_factory=set)

    def find(self, resource: Resource) -> None:
        """Add those of a resource."""
        if resource["resourceType"] == "Patient":
            resource = {name: each for name, each in resource.items() if name != "identifier"}
        self._walk(resource)

    def _walk(self, element: Mapping[str, Any]) -> None:
        for key, value in element.items():
            kind = type(value)
            if kind is dict:
                self._walk(value)
            elif kind is list:
                self._walk_list(value)
            elif key == "reference" and kind is str:
                named = local(value, self.base_url)
                if named.startswith(_PATIENT):
                    self.patients.add(named[len(_PATIENT) :])
            elif key == "system" and value == SYSTEM:
                self._number(element)

    def _walk_list(self, elements: Sequence[Any]) -> None:
        for each in elements:
            if type(each) is dict:
                self._walk(each)

    def _number(self, identifier: Mapping[str, Any]) -> None:
        """Take a number in as it is known by; of one that nobody can have nobody could be asked."""
        if number := number_in(identifier):
            self.numbers.add(number)
