"""Samples for any search parameter: a minimal resource that has the element, a value that finds it, others that do not.

All is read from the definitions: the parameter's expression says where the element is, the type of the element what a
value of it looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import product
from typing import Any, NamedTuple, TypeAlias

from fhir_server.conformance.definitions import SearchParameter
from fhir_server.fhir.fhirpath.parser import parse
from fhir_server.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Expression,
    Indexer,
    Literal,
    Member,
    TypeOperation,
)
from fhir_server.fhir.resource import Resource
from fhir_server.fhir.structure import Element
from fhir_server.search import paths
from fhir_server.search.parameter_types.composite import Component, components
from tests.search.samples import Value, values
from tests.search.support import DEFINITIONS

_ROOT = "%resource."


class NotGenerated(Exception):
    """No sample can be derived from an expression."""


class Sample(NamedTuple):
    """A resource, the value of the parameter that finds it, and values that do not."""

    resource: Resource
    found: str
    missed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path, the type it is narrowed to, and what else its element must have."""

    name: str
    cast: str | None = None
    refers: str | None = None
    beside: dict[str, Any] = field(default_factory=dict)


_Planted: TypeAlias = Iterator[Value]
_Leaf: TypeAlias = Callable[[str, Step], _Planted]


def samples(resource_type: str, parameter: SearchParameter) -> Iterator[tuple[str, list[Sample]]]:
    """Yield each operand of the parameter's expression with its samples: none where none can be made."""
    for operand in paths.alternatives(parameter.expression):
        try:
            found = [*_of_operand(resource_type, parameter, operand)]
        except NotGenerated:
            found = []
        yield operand, found


def _of_operand(resource_type: str, parameter: SearchParameter, operand: str) -> Iterator[Sample]:
    steps = steps_of(parse(operand))
    parts = components(parameter, DEFINITIONS.search_parameters(resource_type))
    leaf = _composite(resource_type, parts) if parts else _simple(parameter)
    for value in _planted(resource_type, steps, leaf):
        content = _merged(value.json, value.at_root)
        resource = {"resourceType": resource_type, "id": "sample", **content}
        yield Sample(resource, value.found, value.missed)


def steps_of(expression: Expression) -> tuple[Step, ...]:
    """Return the steps from the resource to the element; raise NotGenerated for what is no path."""
    match expression:
        case Member(None, name):
            return () if name[0].isupper() else (Step(name),)
        case Member(Call(_, "extension") as extension, "value"):
            return steps_of(extension)
        case Member(_, "contained"):
            raise NotGenerated
        case Member(target, name) if target is not None:
            return (*steps_of(target), Step(name))
        case Indexer(target, _):
            return steps_of(target)
        case TypeOperation("as", operand, named):
            return _narrowed(steps_of(operand), cast=named.name)
        case Call(target, "as" | "ofType", (Member(None, name),)) if target is not None:
            return _narrowed(steps_of(target), cast=name)
        case Call(target, "where", (condition,), _) if target is not None:
            return _where(steps_of(target), condition)
        case Call(target, "extension", (Literal(node),), _) if target is not None and node:
            return (*steps_of(target), Step("extension", beside={"url": node.value}), Step("value"))
        case _:
            raise NotGenerated


def _narrowed(steps: tuple[Step, ...], **changes: Any) -> tuple[Step, ...]:
    return (*steps[:-1], replace(steps[-1], **changes))


def _where(steps: tuple[Step, ...], condition: Expression) -> tuple[Step, ...]:
    match condition:
        case Binary("=", Member(None, name), Literal(node)) if node:
            return _narrowed(steps, beside={name: node.value})
        case TypeOperation("is", Call(None, "resolve"), named):
            return _narrowed(steps, refers=named.name)
        case Call(None, "hasExtension", (Literal(node),)) if node:
            mark = {"url": node.value, "valueBoolean": True}
            return _narrowed(steps, beside={"extension": [mark]})
        case _:
            raise NotGenerated


def _planted(place: str, steps: Sequence[Step], leaf: _Leaf) -> _Planted:
    """Yield the content of the element at a place, each with a value at the end of the steps."""
    if not steps:
        yield from leaf(place, Step(""))
        return
    step, rest = steps[0], steps[1:]
    element = _child(place, step.name)
    for name in _types(element, step.cast):
        inside = element.same or _inside(place, element, name)
        for value in _planted(inside, rest, leaf) if rest else leaf(inside, step):
            content = _merged(value.json, step.beside) if step.beside else value.json
            key = element.name.replace("[x]", name[:1].upper() + name[1:])
            yield value._replace(json={key: [content] if element.repeats else content})


def _child(place: str, name: str) -> Element:
    children = DEFINITIONS.type(place.partition(".")[0]).elements[place]
    return next(each for each in children if each.name.removesuffix("[x]") == name)


def _types(element: Element, cast: str | None) -> list[str]:
    if element.same:
        return [""]
    return [
        each.code for each in element.types if cast is None or each.code.lower() == cast.lower()
    ]


def _inside(place: str, element: Element, name: str) -> str:
    return f"{place}.{element.name}" if name in {"BackboneElement", "Element"} else name


def _simple(parameter: SearchParameter) -> _Leaf:
    def leaf(place: str, step: Step) -> _Planted:
        target = step.refers or next(iter(parameter.targets), "Patient")
        yield from values(parameter.type, place, target)

    return leaf


def _composite(resource_type: str, parts: Sequence[Component]) -> _Leaf:
    def leaf(place: str, _: Step) -> _Planted:
        for chosen in product(*(_part(resource_type, place, each) for each in parts)):
            json = reduce(_merged, [each.json for each in chosen])
            at_root = reduce(_merged, [each.at_root for each in chosen])
            found = [each.found for each in chosen]
            missed = tuple(
                "$".join([*found[:number], other, *found[number + 1 :]])
                for number, each in enumerate(chosen)
                for other in each.missed
            )
            yield Value(json, "$".join(found), missed, at_root)

    return leaf


def _part(resource_type: str, place: str, part: Component) -> list[Value]:
    """Return the contents that give an element one part of a composite."""
    leaf = _simple(part.parameter)
    found: list[Value] = []
    for operand in paths.alternatives(part.expression):
        steps = steps_of(parse(operand.removeprefix(_ROOT)))
        if operand.startswith(_ROOT):
            at_root = _planted(resource_type, steps, leaf)
            found.extend(each._replace(json={}, at_root=each.json) for each in at_root)
        else:
            found.extend(_planted(place, steps, leaf))
    return found


def _merged(one: Any, other: Any) -> Any:
    """Return two contents of the same element as one."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = {name: _merged(one[name], other[name]) for name in one.keys() & other.keys()}
        return {**one, **other, **both}
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])]
    return other
