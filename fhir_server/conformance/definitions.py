"""The R4 definitions under `profiles/r4/`, read when a type is first asked for.

`scripts/compile_definitions.py` wrote them; https://hl7.org/fhir/R4/elementdefinition.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeAlias

import msgspec

from fhir_server.fhir.structure import TypeDefinition


class Component(msgspec.Struct, frozen=True):
    """One part of a composite search parameter."""

    definition: str
    expression: str


class SearchParameter(msgspec.Struct, frozen=True):
    """A search parameter on one base type, its expression narrowed to that type.

    `added` tells that it is not one of R4's own.
    """

    code: str
    type: str
    url: str
    expression: str
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    added: bool = False


Additions: TypeAlias = Mapping[str, Mapping[str, SearchParameter]]
"""Search parameters besides R4's: by type and code."""


@dataclass(frozen=True, eq=False)
class Definitions:
    """The definitions in one folder, and what was added to them. Nothing is read before it is asked for.

    `withheld` says by type and code of parameters that there will be why they cannot be searched by yet.
    """

    folder: Path
    added: Additions = field(default_factory=dict, repr=False)
    withheld: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    _origin: Definitions | None = field(default=None, repr=False)
    _types: dict[str, TypeDefinition] = field(default_factory=dict, repr=False)
    _parameters: dict[str, Mapping[str, SearchParameter]] = field(default_factory=dict, repr=False)

    @property
    def origin(self) -> Definitions:
        """The definitions of R4 alone."""
        return self._origin or self

    def extended_by(
        self, added: Additions, withheld: Mapping[str, Mapping[str, str]] | None = None
    ) -> Definitions:
        """Return R4's definitions with these parameters besides; those of types are shared."""
        return Definitions(self.folder, added, withheld or {}, self.origin, self._types)

    @cached_property
    def resource_types(self) -> frozenset[str]:
        """The names of the 146 concrete resource types of R4."""
        if self._origin is not None:
            return self._origin.resource_types
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
            known = self._parameters[resource_type] = self._find_parameters(resource_type)
        return known

    def _find_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        if self._origin is not None:
            own = self._origin.search_parameters(resource_type)
            added = self.added.get(resource_type)
            return {**added, **own} if added else own
        return {
            parameter.code: parameter
            for name in ("Resource", "DomainResource", resource_type)
            for parameter in self._read_parameters(name)
        }

    def _read_parameters(self, name: str) -> tuple[SearchParameter, ...]:
        path = self.folder / "search" / f"{name}.json"
        return msgspec.json.decode(path.read_bytes(), type=tuple[SearchParameter, ...])

    @cached_property
    def value_sets(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        """The codes by system of each value set that an element requires, where they can be listed."""
        if self._origin is not None:
            return self._origin.value_sets
        return msgspec.json.decode(
            (self.folder / "value-sets.json").read_bytes(),
            type=dict[str, dict[str, frozenset[str]]],
        )

    @cached_property
    def compartments(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """Compartment -> resource type -> the search parameters that place a resource in it."""
        if self._origin is not None:
            return self._origin.compartments
        return msgspec.json.decode(
            (self.folder / "compartments.json").read_bytes(),
            type=dict[str, dict[str, tuple[str, ...]]],
        )


@lru_cache(maxsize=4)
def definitions_in(folder: Path) -> Definitions:
    """Return the definitions of a folder, the same value each time."""
    return Definitions(folder)
