"""Chains and reverse chains: `subject:Patient.name`, `_has:Observation:patient:code`. Pure.

https://hl7.org/fhir/R4/search.html#chaining and #has; each may hold the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from fhir_server.conformance.definitions import SearchParameter
from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.search.expression import AllOf, PointedToBy, PointsTo, Predicate
from fhir_server.search.filtering import Known, UnknownParameter, known_parameters, nearest
from fhir_server.search.parameter_types.criterion import any_of
from fhir_server.search.paths import is_canonical

MOST_HOPS = 4
"""From how many resources to the next a chain may lead."""

MOST_TYPES = 200
"""How many types one chain may try, where it does not name them."""

_HAS = "_has:"
_HAS_PARTS = 3


End: TypeAlias = Callable[[Known, str, int], Predicate]
"""Return what the last name of a chain asks of its type, after so many links."""

Beside: TypeAlias = Mapping[int, Callable[[Known], Predicate]]
"""What the type after so many links must satisfy besides."""


@dataclass(slots=True)
class Effort:
    """How many types were tried for one parameter, and what the latest of them lacked."""

    tried: int = 0
    missed: UnknownParameter | None = None


def predicate(  # noqa: PLR0913 - options, each by keyword
    known: Known,
    name: str,
    end: End,
    *,
    effort: Effort,
    beside: Beside = MappingProxyType({}),
    hops: int = 0,
) -> Predicate:
    """Return what a name asks, chained or not; raise a BadRequest that says what is wrong with it."""
    return _Chain(name, end, effort, beside).predicate(known, name, hops)


@dataclass(frozen=True, slots=True)
class _Chain:
    """One chain on its way to its end."""

    name: str
    end: End
    effort: Effort
    beside: Beside

    def predicate(self, known: Known, rest: str, hops: int) -> Predicate:
        """Return what the rest of the name asks of a type."""
        if rest == "_has" or rest.startswith(_HAS):
            link = self._reverse
        elif "." in rest:
            link = self._forward
        else:
            return self.end(known, rest, hops)
        if hops == MOST_HOPS:
            raise NotSupported(f"{self.name} has more than the {MOST_HOPS} links that are served")
        return link(known, rest, hops + 1)

    def _forward(self, known: Known, rest: str, hops: int) -> Predicate:
        head, _, beyond = rest.partition(".")
        code, _, named = head.partition(":")
        parameter = self._reference(known, code)
        types = [named] if named else sorted(parameter.targets or known.definitions.resource_types)
        if named:
            self._check_type(known, parameter, named)
        found = {each: self._of_type(known, each, beyond, hops) for each in types}
        if not any(found.values()):
            raise self._unknown(known, types, beyond)
        return any_of(
            PointsTo(source.code, target, inner)
            for target, inner in found.items()
            if inner is not None
            for source in known.sources(parameter)
        )

    def _reverse(self, known: Known, rest: str, hops: int) -> Predicate:
        parts = rest.removeprefix(_HAS).split(":", _HAS_PARTS - 1)
        if len(parts) != _HAS_PARTS or not all(parts):
            raise BadRequest(f"{self.name}: this is `_has:Type:reference:parameter`")
        source, code, beyond = parts
        own = known.resource_type
        if own == "Resource":
            raise NotSupported(f"{self.name}: _has is served in the search of one type")
        self._check_exists(known, source)
        referring = known_parameters(known.definitions, source)
        parameter = self._reference(referring, code)
        if parameter.targets and own not in parameter.targets:
            raise BadRequest(
                f"{self.name}: {source}:{code} refers to {', '.join(parameter.targets)}, not to {own}"
            )
        inner = self._of_type(known, source, beyond, hops)
        if inner is None:
            raise self._unknown(known, [source], beyond)
        return any_of(
            PointedToBy(source, each.code, own, inner) for each in referring.sources(parameter)
        )

    def _of_type(self, known: Known, kind: str, beyond: str, hops: int) -> Predicate | None:
        """Return what the chain asks of the next type, None if that has no such parameter."""
        self.effort.tried += 1
        if self.effort.tried > MOST_TYPES:
            raise NotSupported(
                f"{self.name} may mean more than {MOST_TYPES} types: name them, as in subject:Patient."
            )
        target = known_parameters(known.definitions, kind)
        if not beyond.startswith("_") and target.get(_first(beyond)) is None:
            return None
        beside = self.beside.get(hops)
        try:
            found = self.predicate(target, beyond, hops)
            return found if beside is None else AllOf((beside(target), found))
        except UnknownParameter as missed:
            self.effort.missed = missed
            return None

    def _reference(self, known: Known, code: str) -> SearchParameter:
        parameter = known.find(code)
        if parameter.type != "reference":
            raise BadRequest(
                f"{self.name}: {code} is a {parameter.type} parameter, and only a reference leads on"
            )
        if is_canonical(known.definitions, parameter.expression):
            raise NotSupported(f"{self.name}: a chain along canonical URLs is not served yet")
        return parameter

    def _check_type(self, known: Known, parameter: SearchParameter, kind: str) -> None:
        self._check_exists(known, kind)
        if parameter.targets and kind not in parameter.targets:
            raise BadRequest(
                f"{self.name}: {parameter.code} does not refer to {kind}, but to "
                f"{', '.join(parameter.targets)}"
            )

    def _check_exists(self, known: Known, kind: str) -> None:
        if kind not in known.definitions.resource_types:
            hint = nearest(kind, dict.fromkeys(known.definitions.resource_types))
            raise BadRequest(f"{self.name}: there is no resource type {kind!r}{hint}")

    def _unknown(self, known: Known, kinds: Sequence[str], beyond: str) -> UnknownParameter:
        """Return the refusal of a chain whose end no type has."""
        parameters = {
            code: None
            for kind in kinds
            for code in known_parameters(known.definitions, kind).parameters
        }
        code = _first(beyond)
        if code in parameters and self.effort.missed is not None:
            # It is further on, or in brackets, that something is missing.
            return self.effort.missed
        whom = kinds[0] if len(kinds) == 1 else f"none of {len(kinds)} types"
        return UnknownParameter(f"{self.name!r}: {whom} has {code!r}{nearest(code, parameters)}")


def _first(name: str) -> str:
    """Return the code that a name begins with."""
    return name.partition(".")[0].partition(":")[0]
