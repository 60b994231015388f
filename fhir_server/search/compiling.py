"""The search parameters of a type, compiled to the steps that its resources are indexed by. Pure.

An expression is a union of operands. Each operand is evaluated by itself, once however many parameters
share it, and only where the resource has the keys without which it yields nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fhir_server.conformance.definitions import Definitions, SearchParameter
from fhir_server.fhir.fhirpath import (
    Environment,
    Evaluate,
    FhirPathError,
    Node,
    Nodes,
    compile_path,
)
from fhir_server.search import listing, paths
from fhir_server.search.operands import Step, Use, filtered, placing, step_of, within_meta
from fhir_server.search.parameter_types import (
    composite,
    date,
    near,
    number,
    quantity,
    reference,
    string,
    token,
    uri,
)
from fhir_server.search.parameter_types.composite import Component
from fhir_server.search.parameter_types.entries import Entries, Indexer
from fhir_server.search.parameter_types.fitting import FITTING
from fhir_server.search.record import LISTED

_LISTED = "List.entry.where(deleted.exists().not() or deleted = false).item"

_APART = frozenset(("_id", "_lastUpdated", "_filter", "_text", "_content"))
"""Parameters that stores answer by themselves, and those that are of no value."""

_INDEXERS: dict[str, Callable[[str], Indexer]] = {
    "string": string.indexer,
    "uri": uri.indexer,
    "number": number.indexer,
    "quantity": quantity.indexer,
    "special": near.indexer,
}

_PLAIN = re.compile(
    r"\(?[A-Z]\w*(?:\.\w+|\.(?:where|extension|as|ofType|first)\([^()]*\))+(?: as \w+)?\)?"
    r"(?:\.\w+|\.(?:where|extension|as|ofType|first)\([^()]*\))*\Z"
)
"""A path that yields nothing where its first element is absent."""

_BOUNDED = Environment(budget=10_000)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A step, and the keys of which a resource must have one; None: it is always taken."""

    step: Step
    keys: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles the parameters of types over one set of definitions."""

    definitions: Definitions
    zone: ZoneInfo
    base_url: str
    codes: frozenset[str] | None = None
    """The parameters that are compiled; None: all."""

    def compile(self, resource_type: str) -> tuple[Compiled, ...]:
        """Return the steps of a type by R4's own parameters."""
        known = self.definitions.origin.search_parameters(resource_type)
        covered = paths.unions(known)
        uses: dict[str, list[Use]] = {}
        found: list[Compiled] = []
        for code, parameter in known.items():
            if code in covered or code in _APART:
                continue
            names = frozenset((code, *(each for each, parts in covered.items() if code in parts)))
            if self.codes is not None and self.codes.isdisjoint(names):
                continue
            if parameter.type == "composite":
                found.extend(self._composites(resource_type, parameter, names))
            else:
                for path, use in self._uses(resource_type, parameter, names):
                    uses.setdefault(path, []).append(use)
        if resource_type == "List":
            listed = reference.indexer(LISTED, self.base_url)
            uses[_LISTED] = [Use(frozenset(), listed, lambda item: "reference" in item.value)]
            uses[listing.MAINTAINED] = [Use(frozenset(), listing.index_maintained, None)]
        found.extend(
            Compiled(
                step_of(self._evaluator(path), each),
                paths.keys(self.definitions, resource_type, path),
            )
            for path, each in uses.items()
        )
        return tuple(found)

    def compile_added(self, resource_type: str) -> tuple[Compiled, ...]:
        """Return the steps of a type by the parameters that R4 does not have, each by itself.

        None of them places a resource in a compartment. What cannot be evaluated on a resource yields nothing.
        """
        found: list[Compiled] = []
        for code, parameter in self.definitions.added.get(resource_type, {}).items():
            if self.codes is not None and code not in self.codes:
                continue
            names = frozenset((code,))
            if parameter.type == "composite":
                found.extend(self._composites(resource_type, parameter, names))
                continue
            use = Use(names, self._indexer(parameter), keep=None)
            for path in paths.alternatives(parameter.expression):
                step = step_of(self._tolerant(path, parameter.type), [use])
                found.append(Compiled(step, self._keys_of_added(resource_type, path)))
        return tuple(found)

    def _keys_of_added(self, resource_type: str, path: str) -> frozenset[str] | None:
        return paths.keys(self.definitions, resource_type, path) if _PLAIN.match(path) else None

    def _tolerant(self, path: str, kind: str | None = None) -> Evaluate:
        """Return an evaluator of a path that someone else wrote: bounded, and never a reason to refuse a write.

        For a parameter of a type it yields only what that can be made of.
        """
        evaluate = compile_path(path, self.definitions.origin, environment=_BOUNDED)
        fitting = None if kind is None else FITTING[kind]

        def evaluate_or_nothing(node: Node) -> Nodes:
            try:
                found = evaluate(node)
            except FhirPathError:
                return []
            return found if fitting is None else [each for each in found if each.type in fitting]

        return evaluate_or_nothing

    def _uses(
        self, resource_type: str, parameter: SearchParameter, names: frozenset[str]
    ) -> Iterator[tuple[str, Use]]:
        """Yield the paths of a parameter, each with what is to be made of its nodes."""
        index = self._indexer(parameter)
        if parameter.code in self.definitions.compartments["Patient"].get(resource_type, ()):
            index = placing(index, f"{parameter.code}>Patient/")
        for operand in paths.alternatives(parameter.expression):
            path, keep = filtered(operand)
            yield path, Use(names, index, keep)

    def _indexer(self, parameter: SearchParameter) -> Indexer:
        code = parameter.code
        match parameter.type:
            case "token":
                return token.indexer(code, self._implied(parameter.expression))
            case "reference":
                return reference.indexer(code, self.base_url, parameter.targets)
            case "date":
                return date.indexer(code, self.zone)
            case kind:
                return _INDEXERS[kind](code)

    def _composites(
        self, resource_type: str, parameter: SearchParameter, names: frozenset[str]
    ) -> Iterator[Compiled]:
        known = self.definitions.origin.search_parameters(resource_type)
        parts = composite.components(parameter, known)
        if not parts:
            return
        for path in paths.alternatives(parameter.expression):
            step = self._composite_step(path, parameter, parts, names)
            if parameter.added:
                yield Compiled(step, None)
                continue
            # Of a composite over the whole resource the value, which stands last, is the rarest part.
            last = f"{path}.{parts[-1].expression}".replace(" | ", f" | {path}.")
            needed = last if path == resource_type else path
            yield Compiled(step, paths.keys(self.definitions, resource_type, needed))

    def _composite_step(
        self,
        path: str,
        parameter: SearchParameter,
        parts: tuple[Component, ...],
        names: frozenset[str],
    ) -> Step:
        implied = [self._implied(f"{path}.{each.expression}") for each in parts]
        index = composite.indexer(parameter.code, parts, implied, self.zone, self.base_url)
        parents = self._tolerant(path) if parameter.added else self._evaluator(path)
        evaluators = [self._component(each, added=parameter.added) for each in parts]

        def step(node: Node, entries: Entries) -> None:
            for parent in parents(node):
                # The value, which stands last, is the part that most elements lack.
                last = evaluators[-1](node, parent)
                if not last:
                    continue
                values = [*(each(node, parent) for each in evaluators[:-1]), last]
                if all(values):
                    entries.present |= names
                    index(values, entries)

        return step

    def _component(self, part: Component, *, added: bool) -> Callable[[Node, Node], Nodes]:
        whole = part.expression.startswith("%resource.")
        path = part.expression.removeprefix("%resource.")
        evaluate = self._tolerant(path, part.type) if added else self._evaluator(path)

        def values(resource: Node, parent: Node) -> Nodes:
            found = evaluate(resource if whole else parent)
            return [each for each in found if each.value is not None]

        return values

    def _evaluator(self, path: str) -> Evaluate:
        if path[0].isupper() and path.isalpha():
            return lambda node: [node]
        # R4 writes DateTime for dateTime once, and means the value where it names an extension.
        corrected = path.replace("as(DateTime)", "as(dateTime)")
        if ".extension('" in path and path.endswith("')"):
            corrected += ".value"
        return within_meta(path, compile_path(corrected, self.definitions.origin))

    def _implied(self, expression: str) -> paths.Systems:
        return paths.implied_systems(self.definitions, expression)


def steps_for(compiled: tuple[Compiled, ...], keys: Mapping[str, object]) -> tuple[Step, ...]:
    """Return the steps that a resource with these keys calls for."""
    return tuple(
        each.step for each in compiled if each.keys is None or not each.keys.isdisjoint(keys)
    )
