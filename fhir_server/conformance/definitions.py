"""The R4 definitions under `profiles/r4/`, read when a type is first asked for.

`scripts/compile_definitions.py` wrote them; https://hl7.org/fhir/R4/elementdefinition.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import msgspec

from fhir_server.fhir.structure import TypeDefinition


class Component(msgspec.Struct, frozen=True):
    """One part of a composite search parameter."""

    definition: str
    expression: str


class SearchParameter(msgspec.Struct, frozen=True):
    """A search parameter on one base type, its expression narrowed to that type."""

    code: str
    type: str
    url: str
    expression: str
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()


@dataclass(frozen=True, eq=False)
class Definitions:
    """The definitions in one folder. Nothing is read before it is asked for."""

    folder: Path
    _types: dict[str, TypeDefinition] = field(default_factory=dict, repr=False)
    _parameters: dict[str, Mapping[str, SearchParameter]] = field(default_factory=dict, repr=False)

    @cached_property
    def resource_types(self) -> frozenset[str]:
        """The names of the 146 concrete resource types of R4."""
        names = {path.stem for path in (self.folder / "search").glob("*.json")}
        return frozenset(names - {"Resource", "DomainResource"})

    def type(self, name: str) -> TypeDefinition:
        """Return a resource or data type; raise KeyError for a name that R4 does not have."""
        known = self._types.get(name)
        if known is None:
            path = self.folder / "types" / f"{name}.json"
            if not name.isalnum() or not path.is_file():
                raise KeyError(name)
            known = msgspec.json.decode(path.read_bytes(), type=TypeDefinition)
            self._types[name] = known
        return known

    def search_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return the parameters of a type by code, those of every resource included."""
        known = self._parameters.get(resource_type)
        if known is None:
            known = {
                parameter.code: parameter
                for name in ("Resource", "DomainResource", resource_type)
                for parameter in self._read_parameters(name)
            }
            self._parameters[resource_type] = known
        return known

    def _read_parameters(self, name: str) -> tuple[SearchParameter, ...]:
        path = self.folder / "search" / f"{name}.json"
        return msgspec.json.decode(path.read_bytes(), type=tuple[SearchParameter, ...])

    @cached_property
    def value_sets(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        """The codes by system of each value set that an element requires, where they can be listed."""
        return msgspec.json.decode(
            (self.folder / "value-sets.json").read_bytes(),
            type=dict[str, dict[str, frozenset[str]]],
        )

    @cached_property
    def compartments(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """Compartment -> resource type -> the search parameters that place a resource in it."""
        return msgspec.json.decode(
            (self.folder / "compartments.json").read_bytes(),
            type=dict[str, dict[str, tuple[str, ...]]],
        )


@lru_cache(maxsize=4)
def definitions_in(folder: Path) -> Definitions:
    """Return the definitions of a folder, the same value each time."""
    return Definitions(folder)
