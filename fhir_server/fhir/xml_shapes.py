"""What FHIR's XML form needs to know of a type, as tables: https://hl7.org/fhir/R4/xml.html.

A shape is compiled from the definitions when an element of its type is first met, and then kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, Literal

from fhir_server.fhir.json import number
from fhir_server.fhir.structure import Element, TypeDefinition, TypeSource

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

Kind = Literal["primitive", "complex", "resource", "xhtml"]

_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,30})\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One element under its JSON name, a choice under each of its names.

    `rank` is its place in the order of the specification; `read` turns the value of a primitive
    into JSON's, and raises ValueError; `inner` gives the shape of a complex one.
    """

    name: str
    rank: int
    repeats: bool
    kind: Kind
    read: Callable[[str], Any]
    inner: Callable[[], Shape]
    sibling: str


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The elements at one path, by XML name (with its namespace) and by JSON name.

    `attributes` are the names that XML writes as attributes: they are in neither table.
    """

    path: str
    by_tag: Mapping[str, Field]
    by_name: Mapping[str, Field]
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shapes:
    """The shapes of all types that were met so far."""

    types: TypeSource
    _known: dict[tuple[str, str], Shape] = field(default_factory=dict)

    def resource(self, name: str) -> Shape:
        """Return the shape of a resource; raise KeyError for what is none."""
        known = self._known.get((name, name))
        if known is None:
            definition = self.types.type(name)
            if definition.kind != "resource" or definition.abstract:
                raise KeyError(name)
            known = self.at(name, name)
        return known

    def element(self) -> Shape:
        """Return the shape of what a primitive can have besides its value."""
        return self.at("Element", "Element")

    def at(self, type_name: str, path: str) -> Shape:
        """Return the shape of a path within a type; no path is that of the type itself."""
        known = self._known.get((type_name, path))
        if known is None:
            known = self._compile(self.types.type(type_name), path)
            self._known[type_name, path] = known
        return known

    def _compile(self, definition: TypeDefinition, path: str) -> Shape:
        # A profiled data type, SimpleQuantity, keeps its elements under the path of its base.
        place = path or next(iter(definition.elements))
        elements = definition.elements[place]
        fields = [
            each
            for rank, element in enumerate(elements)
            if not element.attribute
            for each in self._fields(definition, place, rank, element)
        ]
        return Shape(
            place,
            {f"{XHTML if each.kind == 'xhtml' else FHIR} {each.name}": each for each in fields},
            {each.name: each for each in fields},
            tuple(element.name for element in elements if element.attribute),
        )

    def _fields(
        self, definition: TypeDefinition, place: str, rank: int, element: Element
    ) -> list[Field]:
        if element.same:
            inner = partial(self.at, definition.name, element.same)
            return [_field(element.name, rank, element, "complex", inner)]
        stem = element.name.removesuffix("[x]")
        below = f"{place}.{element.name}"
        fields = []
        for code in (each.code for each in element.types):
            name = stem + code[0].upper() + code[1:] if element.is_choice else stem
            inline = code in {"Element", "BackboneElement"} and below in definition.elements
            inner = partial(self.at, *((definition.name, below) if inline else (code, "")))
            fields.append(_field(name, rank, element, _kind(code), inner, code))
        return fields


def shapes_of(types: TypeSource) -> Shapes:
    """Return the shapes of a source of types, the same value each time."""
    return _shapes_of(_Identity(types))


@dataclass(frozen=True, slots=True, eq=False)
class _Identity:
    """A source of types as a key: the same source is the same key, hashable or not."""

    types: TypeSource

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.types is self.types

    def __hash__(self) -> int:
        return id(self.types)


@lru_cache(maxsize=4)
def _shapes_of(key: _Identity) -> Shapes:
    return Shapes(key.types)


def _field(  # noqa: PLR0913, PLR0917  the columns of one row
    name: str, rank: int, element: Element, kind: Kind, inner: Callable[[], Shape], code: str = ""
) -> Field:
    return Field(name, rank, element.repeats, kind, _READERS.get(code, str), inner, f"_{name}")


def _kind(code: str) -> Kind:
    if code == "xhtml":
        return "xhtml"
    if code == "Resource":
        return "resource"
    # R4 writes the names of primitive types small, and no others.
    return "primitive" if code[0].islower() else "complex"


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise ValueError("true or false")
    return _BOOLEANS[text]


def _integer(text: str) -> int:
    if not _INTEGER.match(text):
        raise ValueError("an integer")
    return int(text)


def _decimal(text: str) -> int | Decimal:
    """Return what the JSON reader makes of the same number."""
    if not _DECIMAL.match(text):
        raise ValueError("a decimal")
    exact = number(text)
    return int(text) if text.lstrip("-").isdigit() and text != "-0" else exact


_READERS: Mapping[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "integer": _integer,
    "unsignedInt": _integer,
    "positiveInt": _integer,
    "decimal": _decimal,
}
