"""The shape of a type: its elements, their types and cardinalities, as the definitions give them.

https://hl7.org/fhir/R4/elementdefinition.html. `fhir_server.conformance.definitions` reads these from `profiles/r4/`.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class TypeRef(msgspec.Struct, frozen=True):
    """One type that an element may have; `targets` are the types that a Reference may name."""

    code: str
    targets: tuple[str, ...] = ()


class Element(msgspec.Struct, frozen=True):
    """One element of a type, in the order of the specification.

    `name` ends with `[x]` for a choice; `max` is "1" or "*" or "0"; `same` is the path whose
    children this element has (contentReference); `binding` is (strength, value set URL);
    `attribute` tells that XML writes it as an attribute.
    """

    name: str
    min: int
    max: str = "1"
    types: tuple[TypeRef, ...] = ()
    same: str | None = None
    binding: tuple[str, str] | None = None
    summary: bool = False
    modifier: bool = False
    attribute: bool = False

    @property
    def repeats(self) -> bool:
        """Tell whether the element is a list in JSON."""
        return self.max != "1"

    @property
    def is_choice(self) -> bool:
        """Tell whether the element's name in an instance ends with its type."""
        return self.name.endswith("[x]")


class TypeDefinition(msgspec.Struct, frozen=True):
    """A resource or data type; `elements` holds the children of each path within it.

    The path of the type itself is its name ("Patient"), that of a backbone "Patient.contact". Two types,
    SimpleQuantity and MoneyQuantity, are profiles of Quantity: their only path is "Quantity".
    """

    name: str
    kind: str
    abstract: bool
    base: str
    elements: dict[str, tuple[Element, ...]]


class TypeSource(Protocol):
    """Where types are looked up by name."""

    def type(self, name: str) -> TypeDefinition:
        """Return a resource or data type; raise KeyError for a name that R4 does not have."""
        ...
