"""A syntax tree into closures."""

from __future__ import annotations

from functools import lru_cache
from typing import assert_never

from fhir_server.fhir.fhirpath.equality import equal_to_text
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.functions import FUNCTIONS
from fhir_server.fhir.fhirpath.navigation import child_step, head_step, plain_path
from fhir_server.fhir.fhirpath.node import (
    NOTHING,
    Evaluate,
    EvaluateWithin,
    Node,
    Nodes,
    single,
    truth,
)
from fhir_server.fhir.fhirpath.operators import OPERATORS, negated
from fhir_server.fhir.fhirpath.parser import parse
from fhir_server.fhir.fhirpath.schema import Schema
from fhir_server.fhir.fhirpath.scope import Closure, Environment, Scope, World
from fhir_server.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Constant,
    Expression,
    Indexer,
    Literal,
    Member,
    Polarity,
    Special,
    TypeName,
    TypeOperation,
)
from fhir_server.fhir.fhirpath.type_tests import exactly, is_a, narrowed, tested
from fhir_server.fhir.structure import TypeSource

PLAIN = Environment()
_CONSTANTS = {
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "ucum": "http://unitsofmeasure.org",
}
_PREFIXES = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
}


def compile_path(
    expression: str, types: TypeSource, *, environment: Environment = PLAIN
) -> Evaluate:
    """Return the function from a node to the expression's result, a list that is not to be changed.

    Compiling costs far more than evaluating: the caller keeps what it gets. Raise FhirPathError for what
    is no FHIRPath; evaluation raises it where the expression has no result.
    """
    tree, schema = parse(expression), schema_of(types)
    names = _plain_path(tree)
    if names and not environment.strict:
        return plain_path(schema, names)
    closure = Compiler(schema, environment).compile(tree)

    def evaluate(node: Node) -> Nodes:
        return closure(Scope([node], World(node, node, environment)))

    return evaluate


def compile_path_within(
    expression: str, types: TypeSource, *, environment: Environment = PLAIN
) -> EvaluateWithin:
    """Return the same for elements in a resource, as invariants need it: `%resource` is the second argument."""
    closure = Compiler(schema_of(types), environment).compile(parse(expression))

    def evaluate(node: Node, resource: Node) -> Nodes:
        return closure(Scope([node], World(node, resource, environment)))

    return evaluate


def _plain_path(tree: Expression | None) -> tuple[str, ...]:
    """Return the names of a path such as `Patient.name.given`; none of another expression."""
    names: list[str] = []
    while isinstance(tree, Member):
        names.insert(0, tree.name)
        tree = tree.target
    return tuple(names) if tree is None else ()


def schema_of(types: TypeSource) -> Schema:
    """Return the schema of a source of types, the same each time: its tables fill as they are used."""
    return _schema(_Identity(types))


class _Identity:
    """A source of types as a key: two are the same if they are one object."""

    __slots__ = ("types",)

    def __init__(self, types: TypeSource) -> None:
        self.types = types

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.types is self.types

    def __hash__(self) -> int:
        return id(self.types)


@lru_cache(maxsize=8)
def _schema(key: _Identity) -> Schema:
    return Schema(key.types)


class Compiler:
    """Compiles expressions over one schema and environment."""

    __slots__ = ("environment", "schema")

    def __init__(self, schema: Schema, environment: Environment = PLAIN) -> None:
        self.schema = schema
        self.environment = environment

    def compile(self, expression: Expression) -> Closure:
        """Return the closure of an expression."""
        match expression:
            case Literal(node):
                return _always([] if node is None else [node])
            case Constant(name):
                return self._constant(name)
            case Special(name):
                return _SPECIALS[name]
            case Member():
                return self._member(expression)
            case Call():
                return self._call(expression)
            case Indexer(target, index):
                return _indexer(self.compile(target), self.compile(index))
            case Polarity(negative, operand):
                inner = self.compile(operand)
                return lambda scope: negated(inner(scope), negative=negative)
            case Binary():
                return self._binary(expression)
            case TypeOperation():
                return self._type_operation(expression)
        assert_never(expression)

    def type_named(self, expression: Expression) -> TypeName:
        """Return the type that an argument names; raise FhirPathError if it does not."""
        match expression:
            case Member(None, name):
                return TypeName(None, name)
            case Member(Member(None, namespace), name):
                return TypeName(namespace, name)
            case _:
                raise FhirPathError("the name of a type was expected as the argument")

    def _member(self, expression: Member) -> Closure:
        strict = self.environment.strict
        if expression.target is None:
            head = head_step(self.schema, expression.name, strict=strict)
            return lambda scope: head(scope.this)
        target = self.compile(expression.target)
        step = child_step(self.schema, expression.name, strict=strict)
        return lambda scope: step(target(scope))

    def _call(self, call: Call) -> Closure:
        function = FUNCTIONS.get(call.name)
        if function is None:
            raise FhirPathError(f"there is no function {call.name}() (column {call.column})")
        given = len(call.arguments)
        if not function.least <= given <= function.most:
            wanted = " to ".join(str(n) for n in sorted({function.least, function.most}))
            raise FhirPathError(
                f"{call.name}() takes {wanted} arguments, not {given} (column {call.column})"
            )
        apply = function.build(self, call.arguments)
        if call.target is None:
            return lambda scope: apply(scope.this, scope)
        target = self.compile(call.target)
        return lambda scope: apply(target(scope), scope)

    def _binary(self, expression: Binary) -> Closure:
        left = self.compile(expression.left)
        match expression:
            case Binary("=", _, Literal(Node("System.String", str(text)))):
                return lambda scope: truth(equal_to_text(left(scope), text))
            case _:
                operate = OPERATORS[expression.operator]
                right = self.compile(expression.right)
                return lambda scope: operate(left, right, scope)

    def _type_operation(self, expression: TypeOperation) -> Closure:
        operand = self.compile(expression.operand)
        if expression.operator == "is":
            test = is_a(self.schema, expression.type)
            return lambda scope: tested(test, operand(scope))
        test = exactly(self.schema, expression.type)
        if self.environment.strict:
            return lambda scope: narrowed(test, _at_most_one(operand(scope)))
        return lambda scope: narrowed(test, operand(scope))

    def _constant(self, name: str) -> Closure:
        if name in self.environment.variables:
            return _always(self.environment.variables[name])
        if name in {"resource", "rootResource"}:
            return lambda scope: [scope.world.resource]
        if name == "context":
            return lambda scope: [scope.world.context]
        text = _CONSTANTS.get(name)
        for prefix, base in _PREFIXES.items():
            if name.startswith(prefix):
                text = base + name.removeprefix(prefix)
        if text is None:
            raise FhirPathError(f"there is no constant %{name}")
        return _always([Node("System.String", text)])


def _at_most_one(nodes: Nodes) -> Nodes:
    single(nodes, "`as`")
    return nodes


def _always(nodes: Nodes) -> Closure:
    return lambda _: nodes


def _indexer(target: Closure, index: Closure) -> Closure:
    def closure(scope: Scope) -> Nodes:
        at = single(index(scope), "an index")
        if at is None:
            return NOTHING
        if type(at.value) is not int:
            raise FhirPathError(f"an index is an Integer, not {at.type}")
        return target(scope)[at.value : at.value + 1] if at.value >= 0 else NOTHING

    return closure


_SPECIALS: dict[str, Closure] = {
    "this": lambda scope: scope.this,
    "index": lambda scope: [Node("System.Integer", scope.index)],
    "total": lambda scope: scope.total,
}
