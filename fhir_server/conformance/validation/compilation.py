"""From definitions to shapes: https://hl7.org/fhir/R4/elementdefinition.html."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from fhir_server.conformance.definitions import Definitions
from fhir_server.conformance.validation.bindings import bound_code, bound_coding, bound_concept
from fhir_server.conformance.validation.primitives import PRIMITIVES
from fhir_server.conformance.validation.properties import (
    many_elements,
    many_partners,
    many_primitives,
    one_element,
    one_partner,
    one_primitive,
    prohibited,
    unchecked,
)
from fhir_server.conformance.validation.references import References
from fhir_server.conformance.validation.report import Place, Report
from fhir_server.conformance.validation.rules import RULES
from fhir_server.conformance.validation.shape import (
    Children,
    Choice,
    PropertyCheck,
    Shape,
    ValueCheck,
)
from fhir_server.fhir.structure import Element, TypeRef


class Compiler:
    """Makes the shape of each type and backbone, once."""

    def __init__(
        self, definitions: Definitions, *, resource: ValueCheck, contained: ValueCheck
    ) -> None:
        self._definitions = definitions
        self._resource = resource
        self._contained = contained
        self._shapes: dict[tuple[str, str], Shape] = {}

    def shape(self, type_name: str, path: str | None = None) -> Shape:
        """Return the shape of a type, or of a path within it; it is compiled when it is first used."""
        key = (type_name, path or type_name)
        known = self._shapes.get(key)
        if known is None:
            compile_children = partial(self._children, type_name, path)
            known = Shape(compile_children, id_suffices=type_name == "Element")
            self._shapes[key] = known
        return known

    def _children(self, type_name: str, path: str | None) -> Children:
        definition = self._definitions.type(type_name)
        # The profiles of Quantity keep its path, which is their only one.
        within = path or next(iter(definition.elements))
        elements = definition.elements[within]
        properties = {
            name: check
            for element in elements
            for name, check in self._properties(type_name, within, element)
        }
        if definition.kind == "resource" and path is None:
            properties["resourceType"] = unchecked
        return Children(
            properties,
            tuple(_required(each) for each in elements if each.min and not each.is_choice),
            tuple(_choice(each) for each in elements if each.is_choice),
            RULES.get(type_name, ()) if path is None else (),
        )

    def _properties(
        self, type_name: str, within: str, element: Element
    ) -> Iterator[tuple[str, PropertyCheck]]:
        shown = element.name.removesuffix("[x]")
        for name, type_ref in _names(element):
            if element.max == "0":
                yield name, prohibited(name)
            elif type_ref is not None and type_ref.code in PRIMITIVES:
                yield name, self._primitive(element, name, type_ref.code)
                if _has_partner(element):
                    yield "_" + name, self._partner(element, name)
            else:
                check = self._complex(type_name, within, element, type_ref)
                many = element.repeats
                yield name, many_elements(name, check) if many else one_element(shown, check)

    def _primitive(self, element: Element, name: str, code: str) -> PropertyCheck:
        rule = PRIMITIVES[code]
        codes = self._codes(element)
        if codes is not None:
            rule = bound_code(rule, *codes)
        if element.repeats:
            return many_primitives(name, rule)
        return one_primitive(element.name.removesuffix("[x]"), rule)

    def _partner(self, element: Element, name: str) -> PropertyCheck:
        check = self.shape("Element").check
        if element.repeats:
            return many_partners(name, check)
        return one_partner(name, element.name.removesuffix("[x]"), check)

    def _complex(
        self, type_name: str, within: str, element: Element, type_ref: TypeRef | None
    ) -> ValueCheck:
        if type_ref is None:
            return self.shape(type_name, element.same).check
        match type_ref.code:
            case "Resource":
                return self._contained if element.name == "contained" else self._resource
            case "BackboneElement" | "Element":
                return self.shape(type_name, f"{within}.{element.name}").check
            case "Reference":
                return self._reference(type_ref)
            case code:
                return self._bound(self.shape(code).check, code, element)

    def _reference(self, type_ref: TypeRef) -> ValueCheck:
        shape = self.shape("Reference").check
        rule = References(frozenset(type_ref.targets), self._definitions.resource_types).check

        def check(value: Any, place: Place, report: Report) -> None:
            shape(value, place, report)
            rule(value, place, report)

        return check

    def _bound(self, check: ValueCheck, code: str, element: Element) -> ValueCheck:
        codes = self._codes(element)
        if codes is None:
            return check
        return (bound_concept if code == "CodeableConcept" else bound_coding)(check, *codes)

    def _codes(self, element: Element) -> tuple[Any, str] | None:
        if element.binding is None or element.binding[0] != "required":
            return None
        url = element.binding[1]
        codes = self._definitions.value_sets.get(url)
        return None if codes is None else (codes, url)


def _names(element: Element) -> list[tuple[str, TypeRef | None]]:
    """List the JSON properties of an element with their types; a `same` element has none of its own."""
    if not element.is_choice:
        return [(element.name, element.types[0] if element.types else None)]
    stem = element.name.removesuffix("[x]")
    return [(stem + each.code[0].upper() + each.code[1:], each) for each in element.types]


def _required(element: Element) -> tuple[str, str]:
    primitive = bool(element.types) and element.types[0].code in PRIMITIVES
    extensible = primitive and _has_partner(element)
    return (element.name, "_" + element.name if extensible else element.name)


def _has_partner(element: Element) -> bool:
    """Tell whether a primitive may have extensions; XML's attributes and XHTML have no place for them."""
    return not element.attribute and element.types[0].code != "xhtml"


def _choice(element: Element) -> Choice:
    properties: dict[str, str] = {}
    for name, type_ref in _names(element):
        properties[name] = name
        if type_ref is not None and type_ref.code in PRIMITIVES:
            properties["_" + name] = name
    return Choice(element.name.removesuffix("[x]"), properties, required=element.min > 0)
