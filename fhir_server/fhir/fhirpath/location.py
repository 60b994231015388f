"""Where in a resource the elements of a path are, so that they can be changed.

A path for this ends in an element, which steps that only choose may follow: `Patient.name.where(use = 'usual')[0]`.
Such steps hand on the very nodes that they get, so that a node tells its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any, NamedTuple, TypeAlias

from fhir_server.fhir.fhirpath.collecting import RESOURCES, is_scalar
from fhir_server.fhir.fhirpath.compiler import Compiler, schema_of
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.node import Node
from fhir_server.fhir.fhirpath.parser import parse
from fhir_server.fhir.fhirpath.schema import Schema
from fhir_server.fhir.fhirpath.scope import Environment, Scope, World
from fhir_server.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Constant,
    Expression,
    Indexer,
    Literal,
    Member,
    Special,
    TypeOperation,
)
from fhir_server.fhir.structure import TypeSource

_CHOOSING = frozenset(
    {"where", "first", "last", "tail", "skip", "take", "single", "ofType", "as", "trace"}
)
_REFUSED = frozenset({"matches", "matchesFull", "replaceMatches", "repeat", "descendants"})
"""What could take very long, and no place needs: regular expressions, and loops over the whole resource."""
_BUDGET = 100_000


class Place(NamedTuple):
    """An element: the JSON object that holds it, its key there, and where (`at`) if it is one of a list.

    `owner` is the type that has the element, `name` the element's name in it: `value` where the key is
    `valueQuantity`. The root has no holder. A primitive's id and extensions are under `_` and the key.
    """

    node: Node
    holder: dict[str, Any] | None = None
    owner: str = ""
    name: str = ""
    key: str = ""
    at: int | None = None


Locate: TypeAlias = Callable[[Node], list[Place]]
_Find: TypeAlias = Callable[[Scope], list[Place]]


def compile_location(expression: str, types: TypeSource) -> Locate:
    """Return the function from a resource to the places of the elements that a path chooses.

    Raise FhirPathError for what is no FHIRPath, and for a path that calculates instead of choosing.
    """
    environment = Environment(strict=True, budget=_BUDGET)
    schema = schema_of(types)
    tree = parse(expression)
    _refuse_costly(tree)
    find = _Locating(schema, Compiler(schema, environment)).find(tree)

    def locate(node: Node) -> list[Place]:
        return find(Scope([node], World(node, node, environment)))

    return locate


class _Locating:
    """Compiles the steps of a path that chooses."""

    __slots__ = ("_compiler", "_schema")

    def __init__(self, schema: Schema, compiler: Compiler) -> None:
        self._schema = schema
        self._compiler = compiler

    def find(self, tree: Expression) -> _Find:
        match tree:
            case Member(target, name):
                return self._children(target, name)
            case Call(target, "extension", (url,)):
                named = Binary("=", Member(None, "url"), url)
                extensions = Member(target, "extension")
                return self._chosen(extensions, Call(_THIS, "where", (named,), tree.column))
            case Call(target, name, arguments) if target is not None and name in _CHOOSING:
                return self._chosen(target, Call(_THIS, name, arguments, tree.column))
            case Indexer(target, Literal(Node()) as index):
                return self._chosen(target, Indexer(_THIS, index))
            case TypeOperation("as", operand, wanted):
                return self._chosen(operand, TypeOperation("as", _THIS, wanted))
            case Special("this"):
                return lambda scope: [Place(node) for node in scope.this]
            case _:
                raise FhirPathError("the path has to end in an element of the resource")

    def _children(self, target: Expression | None, name: str) -> _Find:
        if target is None and name[0].isupper():
            return self._root(name)
        find = self.find(target if target is not None else _THIS)

        def children(scope: Scope) -> list[Place]:
            return [each for parent in find(scope) for each in places(self._schema, parent, name)]

        return children

    def _root(self, name: str) -> _Find:
        def root(scope: Scope) -> list[Place]:
            (node,) = scope.this
            if name not in self._schema.bases(node.type):
                raise FhirPathError(f"the path begins with {name}, the resource is a {node.type}")
            return [Place(node)]

        return root

    def _chosen(self, target: Expression, step: Expression) -> _Find:
        find, choose = self.find(target), self._compiler.compile(step)

        def chosen(scope: Scope) -> list[Place]:
            found = find(scope)
            by_node = {id(each.node): each for each in found}
            nodes = choose(Scope([each.node for each in found], scope.world))
            return [by_node[id(node)] for node in nodes]

        return chosen


_THIS = Special("this")


def places(schema: Schema, parent: Place, name: str) -> Iterator[Place]:
    """Yield the places of the children of a name; raise FhirPathError if the type has no such element."""
    code = parent.node.type
    element = schema.elements(code).get(name)
    if element is None:
        raise FhirPathError(f"{code} has no element {name!r}")
    primitive = schema.is_primitive(code)
    holder: dict[str, Any] | None = parent.node.element if primitive else parent.node.value
    if holder is None:
        return
    for key, target in schema.alternatives(code, element):
        value, beside = holder.get(key), holder.get("_" + key)
        if isinstance(value, list) or isinstance(beside, list):
            for at, (each, extra) in enumerate(zip_longest(value or (), beside or ())):
                if (node := _node(schema, target, each, extra)) is not None:
                    yield Place(node, holder, code, name, key, at)
        elif (node := _node(schema, target, value, beside)) is not None:
            yield Place(node, holder, code, name, key)


def _node(schema: Schema, target: str, value: Any, beside: Any) -> Node | None:
    """Return the node of an element, None where there is none of the type's form."""
    element = beside if isinstance(beside, dict) else None
    if schema.is_primitive(target):
        kept = value if is_scalar(value) else None
        return None if kept is None and element is None else Node(target, kept, element)
    if not isinstance(value, dict):
        return None
    if target in RESOURCES:
        target = schema.resource_type(value)
    return Node(target, value)


def _refuse_costly(tree: Expression) -> None:
    for each in _all_of(tree):
        if isinstance(each, Constant) and each.name in {"resource", "rootResource", "context"}:
            raise FhirPathError(f"%{each.name} cannot be used to say where a change is made")
        if isinstance(each, Call) and each.name in _REFUSED:
            raise FhirPathError(f"{each.name}() cannot be used to say where a change is made")


def _all_of(tree: Any) -> Iterator[Any]:
    yield tree
    for name in getattr(tree, "__dataclass_fields__", ()):
        value = getattr(tree, name)
        for each in value if isinstance(value, tuple) and not isinstance(value, Node) else (value,):
            yield from _all_of(each)
