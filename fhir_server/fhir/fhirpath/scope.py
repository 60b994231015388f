"""What an expression may use besides its input, and what is in scope while it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.node import NOTHING, Node, Nodes
from fhir_server.fhir.fhirpath.schema import Schema
from fhir_server.fhir.fhirpath.syntax import Expression, TypeName

Resolver: TypeAlias = Callable[[Node], Node | None]
"""From a Reference, canonical or URI to what it refers to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The outside of an expression: resources referred to, the clock, further `%variables`.

    Without a `resolve` a reference is resolved to contained resources, and else to a node that knows its type alone.
    `strict` refuses what has no element of a name, and `as` on several items.
    `budget` is how many items an evaluation may go through in loops.
    """

    resolve: Resolver | None = None
    now: Callable[[], datetime] | None = None
    variables: Mapping[str, Nodes] = field(default_factory=dict)
    strict: bool = False
    budget: int = 1_000_000


class World:
    """What stays the same during one evaluation."""

    __slots__ = ("_left", "context", "environment", "moment", "resource")

    def __init__(self, context: Node, resource: Node, environment: Environment) -> None:
        self.context = context
        self.resource = resource
        self.environment = environment
        self.moment: datetime | None = None
        self._left = environment.budget

    def spend(self, items: int) -> None:
        """Count items that are gone through; raise FhirPathError when there were too many."""
        self._left -= items
        if self._left < 0:
            raise FhirPathError(f"the path goes through more than {self.environment.budget} items")


class Scope:
    """`$this`, `$index` and `$total`."""

    __slots__ = ("index", "this", "total", "world")

    def __init__(self, this: Nodes, world: World, index: int = 0, total: Nodes = NOTHING) -> None:
        self.this = this
        self.world = world
        self.index = index
        self.total = total

    def within(self, nodes: Nodes) -> Scope:
        """Return a scope for a loop over items."""
        self.world.spend(len(nodes))
        return Scope(nodes, self.world, self.index, self.total)


Closure: TypeAlias = Callable[[Scope], Nodes]
"""A compiled expression, inside of a larger one."""

Apply: TypeAlias = Callable[[Nodes, Scope], Nodes]
"""A compiled call of a function: its input, and the scope of its arguments."""

IsOfType: TypeAlias = Callable[[Node], bool]


class Compiling(Protocol):
    """What a function may use to compile its arguments."""

    @property
    def schema(self) -> Schema:
        """The elements of each type."""
        ...

    @property
    def environment(self) -> Environment:
        """The outside of the expression."""
        ...

    def compile(self, expression: Expression) -> Closure:
        """Return an argument as a closure."""
        ...

    def type_named(self, expression: Expression) -> TypeName:
        """Return an argument that names a type; raise FhirPathError if it does not."""
        ...


@dataclass(frozen=True, slots=True)
class Function:
    """A function: how many arguments it takes, and what compiles a call of it."""

    least: int
    most: int
    build: Callable[[Compiling, tuple[Expression, ...]], Apply]


def of_values(function: Callable[..., Nodes], arguments: int = 0, optional: int = 0) -> Function:
    """Return a function that takes its input and arguments as collections."""

    def build(compiling: Compiling, expressions: tuple[Expression, ...]) -> Apply:
        closures = [compiling.compile(each) for each in expressions]
        if not closures:
            return lambda nodes, _: function(nodes)
        if len(closures) == 1:
            first = closures[0]
            return lambda nodes, scope: function(nodes, first(scope))
        return lambda nodes, scope: function(nodes, *[each(scope) for each in closures])

    return Function(arguments, arguments + optional, build)
