"""What a TypeSource says of types and their elements, as the steps of a path ask for it.

It is looked up once per type: choices (`value[x]`), content references and backbones are resolved here.
"""

from __future__ import annotations

from fhir_server.fhir.resource import Resource
from fhir_server.fhir.structure import Element, TypeSource


class Schema:
    """Types and what they specialise, elements by name, and the keys that these have in JSON."""

    __slots__ = ("_bases", "_elements", "_known", "types")

    def __init__(self, types: TypeSource) -> None:
        self.types = types
        self._known: set[str] = set()
        self._bases: dict[str, tuple[str, ...]] = {}
        self._elements: dict[str, dict[str, Element]] = {}

    def knows(self, name: str) -> bool:
        """Tell whether R4 has a type of this name."""
        if name not in self._known:
            try:
                self.types.type(name)
            except KeyError:
                return False
            self._known.add(name)
        return True

    def resource_type(self, resource: Resource) -> str:
        """Return the type of a resource inside of another, `Resource` if R4 has none of the name.

        The tables here and in each step grow with the types they meet: not with what someone calls a type.
        """
        name = resource.get("resourceType")
        return name if isinstance(name, str) and self.knows(name) else "Resource"

    def is_primitive(self, code: str) -> bool:
        """Tell whether values of this type are written as a JSON string, number or boolean."""
        return code[0].islower()

    def bases(self, code: str) -> tuple[str, ...]:
        """Return a type and all that it specialises: (`code`, `string`, `Element`)."""
        known = self._bases.get(code)
        if known is None:
            known = self._bases[code] = (code, *self._above(code))
        return known

    def _above(self, code: str) -> tuple[str, ...]:
        if code.startswith("System."):
            return ()
        if "." in code:
            return ("BackboneElement", "Element")
        try:
            base = self.types.type(code).base
        except KeyError:
            return ()
        return self.bases(base) if base else ()

    def elements(self, code: str) -> dict[str, Element]:
        """Return the elements of a type or backbone by name, a choice without its `[x]`."""
        known = self._elements.get(code)
        if known is None:
            known = self._elements[code] = {
                element.name.removesuffix("[x]"): element for element in self._children(code)
            }
        return known

    def _children(self, code: str) -> tuple[Element, ...]:
        if code.startswith("System."):
            return ()
        name = "Element" if self.is_primitive(code) else code
        try:
            return self.types.type(name.partition(".")[0]).elements.get(name, ())
        except KeyError:
            return ()

    def alternatives(self, code: str, element: Element) -> list[tuple[str, str]]:
        """Return the JSON keys that an element may have, each with the type of its value."""
        if element.is_choice:
            stem = element.name[:-3]
            return [
                (stem + each.code[0].upper() + each.code[1:], each.code) for each in element.types
            ]
        return [(element.name, self._type_of(code, element))]

    def _type_of(self, code: str, element: Element) -> str:
        if element.same:
            return element.same
        path = f"{code}.{element.name}"
        declared = element.types[0].code if element.types else "Element"
        if declared in {"BackboneElement", "Element"} and self._children(path):
            return path
        return declared
