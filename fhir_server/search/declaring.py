"""What a server tells of its searches besides the parameters: modifiers, sorting, the size of pages. Pure.

An R4 CapabilityStatement has no element for these (https://hl7.org/fhir/R4/capabilitystatement.html), and HL7 no extension:
ours is in `profiles/extensions/capabilitystatement-search.json`. What a server does not tell is unknown, and not missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.fhir.resource import Resource
from fhir_server.search.ordering import UNSORTABLE
from fhir_server.search.parameter_types.modifiers import (
    ANY_TYPE,
    COMMON,
    MODIFIERS,
    modifiers_of_code,
)

SEARCH = "https://example.org/fdp/StructureDefinition/capabilitystatement-search"
"""An extension on `CapabilityStatement.rest`."""

OF_ONE = "http://heliossoftware.com/fhir/StructureDefinition/capabilitystatement-search-modifier"
"""An extension on `CapabilityStatement.rest.resource.searchParam`, of the servers of Helios: one modifier of that one."""

_TYPES = (*MODIFIERS, "special")
_NAMES = {ANY_TYPE: "type", "of-type": "ofType"}
"""Modifiers whose code is another than their name: https://hl7.org/fhir/R4/valueset-search-modifier-code.html."""

_CODES = {code: name for name, code in _NAMES.items()}


@dataclass(frozen=True, slots=True)
class Abilities:
    """What is known of a server's searches; None, or nothing, where it does not tell.

    `most` are the matches of a page at most. `modifiers` are by type of parameter (`token`), but for those `of_one`
    parameter, by its code (`_id`) or the resource type as well (`Patient.name`). `sortable` are the types of parameters
    by which it sorts.
    """

    most: int | None = None
    modifiers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    of_one: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sortable: frozenset[str] | None = None

    def takes(self, resource_type: str, code: str, kind: str, modifier: str) -> bool:
        """Tell whether a parameter may be asked for with a modifier, as far as is known."""
        named = (self.of_one.get(each) for each in (f"{resource_type}.{code}", code))
        told = next((each for each in named if each is not None), self.modifiers.get(kind))
        if told is None:
            return True
        return modifier in told or (modifier[:1].isupper() and ANY_TYPE in told)

    def sorts(self, kind: str) -> bool:
        """Tell whether it may be asked to sort by a parameter of this type, as far as is known."""
        return self.sortable is None or kind in self.sortable

    def page(self, count: int) -> int:
        """Return how many matches to ask for where this many are wanted."""
        return count if self.most is None else min(count, self.most)


def own_abilities(most: int) -> Abilities:
    """Return what this software does, in pages of `most` matches at most."""
    modifiers = {each: frozenset(modifiers_of_code("", each)) for each in _TYPES}
    common = {code: frozenset(modifiers_of_code(code, "token")) for code in COMMON}
    return Abilities(most, modifiers, common, frozenset(_TYPES) - UNSORTABLE)


def extension_of(abilities: Abilities) -> Resource:
    """Return the extension that tells what is known of all types together."""
    parts: list[Resource] = []
    if abilities.most is not None:
        parts.append({"url": "maximumCount", "valuePositiveInt": abilities.most})
    if abilities.sortable is not None:
        parts += [{"url": "sortable", "valueCode": each} for each in sorted(abilities.sortable)]
    for name, told in abilities.modifiers.items():
        parts.append(_modifiers({"url": "parameterType", "valueCode": name}, told))
    for name, told in abilities.of_one.items():
        parts.append(_modifiers({"url": "parameter", "valueString": name}, told))
    return {"url": SEARCH, "extension": parts}


def _modifiers(key: Resource, told: frozenset[str]) -> Resource:
    codes = sorted(_NAMES.get(each, each) for each in told)
    listed: list[Resource] = [{"url": "modifier", "valueCode": each} for each in codes]
    return {"url": "modifiers", "extension": [key, *listed]}


def abilities_in(rest: Mapping[str, Any]) -> Abilities:
    """Return what a `CapabilityStatement.rest` tells; what has another form is passed over."""
    parts = [part for each in _of(rest, SEARCH) for part in _listed(each, "extension")]
    most = [each.get("valuePositiveInt") for each in parts if each.get("url") == "maximumCount"]
    sortable = [each.get("valueCode") for each in parts if each.get("url") == "sortable"]
    listed = [_listed(each, "extension") for each in parts if each.get("url") == "modifiers"]
    return Abilities(
        next((each for each in most if type(each) is int and each > 0), None),
        dict(_named(listed, "parameterType", "valueCode")),
        dict(_named(listed, "parameter", "valueString")) | dict(_of_parameters(rest)),
        frozenset(each for each in sortable if isinstance(each, str)) or None,
    )


def _named(
    listed: Sequence[Sequence[Mapping[str, Any]]], kind: str, value: str
) -> Iterator[tuple[str, frozenset[str]]]:
    for parts in listed:
        codes = [each.get("valueCode") for each in parts if each.get("url") == "modifier"]
        names = [each.get(value) for each in parts if each.get("url") == kind]
        yield from ((name, _read(codes)) for name in names if isinstance(name, str))


def _of_parameters(rest: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    for resource in _listed(rest, "resource"):
        for each in _listed(resource, "searchParam"):
            if told := _of(each, OF_ONE):
                name = f"{resource.get('type')}.{each.get('name')}"
                yield name, _read([one.get("valueCode") for one in told])


def _read(codes: list[Any]) -> frozenset[str]:
    return frozenset(_CODES.get(each, each) for each in codes if isinstance(each, str))


def _of(element: Mapping[str, Any], url: str) -> list[Mapping[str, Any]]:
    return [each for each in _listed(element, "extension") if each.get("url") == url]


def _listed(element: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = element.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
