"""Functions that evaluate their argument for each item: https://hl7.org/fhirpath/N1/#filtering-and-projection."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import cmp_to_key, partial
from typing import TypeAlias

from fhir_server.fhir.fhirpath.distinctness import mark
from fhir_server.fhir.fhirpath.equality import Verdict, equal_to_text, ordering
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.navigation import Step, child_step
from fhir_server.fhir.fhirpath.node import NOTHING, Node, Nodes, logical, single
from fhir_server.fhir.fhirpath.schema import Schema
from fhir_server.fhir.fhirpath.scope import Apply, Closure, Compiling, Function, Scope
from fhir_server.fhir.fhirpath.syntax import Binary, Expression, Literal, Member, Polarity
from fhir_server.fhir.fhirpath.system import is_one_text
from fhir_server.fhir.fhirpath.type_tests import exactly, is_a, narrowed, tested


def _where(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    match arguments[0]:
        case Binary("=", Member(None, name), Literal(Node("System.String", str(text)))):
            step = child_step(compiling.schema, name, strict=compiling.environment.strict)
            return _where_text(partial(_text_test, compiling.schema, name, text, step))
        case criterion:
            return _where_holds(compiling.compile(criterion))


_Test: TypeAlias = Callable[[Node], Verdict]


def _where_text(test_of: Callable[[str], _Test]) -> Apply:
    """Return `where(name = 'text')`, the commonest criterion, with a test for each type that comes along."""
    tests: dict[str, _Test] = {}

    def apply(nodes: Nodes, _: Scope) -> Nodes:
        found: Nodes = []
        for node in nodes:
            test = tests.get(node.type)
            if test is None:
                test = tests[node.type] = test_of(node.type)
            if test(node):
                found.append(node)
        return found

    return apply


def _text_test(schema: Schema, name: str, text: str, step: Step, code: str) -> _Test:
    """Return the test for one type: of an element that is one text, a look into the JSON object."""
    element = schema.elements(code).get(name)
    if element is not None and not schema.is_primitive(code) and is_one_text(element):
        return lambda node: node.value is not None and node.value.get(name) == text
    return lambda node: equal_to_text(step([node]), text)


def _where_holds(test: Closure) -> Apply:

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        if not nodes:
            return NOTHING
        inner = scope.within(nodes)
        found: Nodes = []
        for inner.index, node in enumerate(nodes):
            inner.this = [node]
            if logical(test(inner)):
                found.append(node)
        return found

    return apply


def _select(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    projection = compiling.compile(arguments[0])

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        inner = scope.within(nodes)
        found: Nodes = []
        for inner.index, node in enumerate(nodes):
            inner.this = [node]
            found.extend(projection(inner))
        scope.world.spend(len(found))
        return found

    return apply


def _repeat(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    projection = compiling.compile(arguments[0])

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        found: dict[Hashable, Node] = {}
        level = nodes
        while level:
            inner = scope.within(level)
            already = len(found)
            for inner.index, node in enumerate(level):
                inner.this = [node]
                for each in projection(inner):
                    found.setdefault(mark(each), each)
            level = list(found.values())[already:]
        return list(found.values())

    return apply


def _of_type(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    test = exactly(compiling.schema, compiling.type_named(arguments[0]))
    return lambda nodes, _: narrowed(test, nodes)


def _as(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    test = exactly(compiling.schema, compiling.type_named(arguments[0]))
    strict = compiling.environment.strict

    def apply(nodes: Nodes, _: Scope) -> Nodes:
        # R4's own search parameters use `as` on several items, as a filter.
        if strict:
            single(nodes, "as()")
        return narrowed(test, nodes)

    return apply


def _is(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    test = is_a(compiling.schema, compiling.type_named(arguments[0]))
    return lambda nodes, _: tested(test, nodes)


def _iif(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    condition, chosen, *rest = [compiling.compile(each) for each in arguments]
    otherwise = rest[0] if rest else _nothing

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        single(nodes, "iif()")
        inner = scope.within(nodes)
        verdict = condition(inner)
        if compiling.environment.strict and any(not isinstance(n.value, bool) for n in verdict):
            raise FhirPathError("the condition of iif() is no Boolean")
        return chosen(inner) if logical(verdict) else otherwise(inner)

    return apply


def _nothing(_: Scope) -> Nodes:
    return NOTHING


def _aggregate(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    step, *initial = [compiling.compile(each) for each in arguments]

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        inner = scope.within(nodes)
        inner.total = initial[0](scope) if initial else NOTHING
        for inner.index, node in enumerate(nodes):
            inner.this = [node]
            inner.total = step(inner)
        return inner.total

    return apply


def _trace(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    # Compiled to refuse what is wrong; nothing is logged from here, least of all a patient's data.
    for each in arguments:
        compiling.compile(each)
    return lambda nodes, _: nodes


_Row: TypeAlias = tuple[list[Nodes], Node]


def _sort(compiling: Compiling, arguments: tuple[Expression, ...]) -> Apply:
    keys = [_sort_key(compiling, each) for each in arguments] or [(1, _this)]
    signs = [sign for sign, _ in keys]

    def order(left: _Row, right: _Row) -> int:
        return _order(left[0], right[0], signs)

    def apply(nodes: Nodes, scope: Scope) -> Nodes:
        inner = scope.within(nodes)
        rows: list[_Row] = []
        for inner.index, node in enumerate(nodes):
            inner.this = [node]
            rows.append(([key(inner) for _, key in keys], node))
        rows.sort(key=cmp_to_key(order))
        return [node for _, node in rows]

    return apply


def _this(scope: Scope) -> Nodes:
    return scope.this


def _sort_key(compiling: Compiling, argument: Expression) -> tuple[int, Closure]:
    if isinstance(argument, Polarity) and argument.negative:
        return -1, compiling.compile(argument.operand)
    return 1, compiling.compile(argument)


def _order(left: list[Nodes], right: list[Nodes], signs: list[int]) -> int:
    for a, b, sign in zip(left, right, signs, strict=True):
        one, other = single(a, "sort()"), single(b, "sort()")
        if one is None or other is None:
            # An item without the key comes after those with it.
            order = int(one is None) - int(other is None)
        else:
            order = ordering(one, other) or 0
        if order:
            return order * sign
    return 0


FUNCTIONS: Mapping[str, Function] = {
    "where": Function(1, 1, _where),
    "select": Function(1, 1, _select),
    "repeat": Function(1, 1, _repeat),
    "ofType": Function(1, 1, _of_type),
    "as": Function(1, 1, _as),
    "is": Function(1, 1, _is),
    "iif": Function(2, 3, _iif),
    "aggregate": Function(1, 2, _aggregate),
    "trace": Function(1, 2, _trace),
    "sort": Function(0, 8, _sort),
}
