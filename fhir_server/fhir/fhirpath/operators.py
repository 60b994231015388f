"""The operators: https://hl7.org/fhirpath/N1/#operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from fhir_server.fhir.fhirpath import arithmetic
from fhir_server.fhir.fhirpath.distinctness import distinct
from fhir_server.fhir.fhirpath.equality import (
    collections_equal,
    collections_equivalent,
    equal,
    ordering,
)
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.node import FALSE, NOTHING, TRUE, Node, Nodes, logical, single, truth
from fhir_server.fhir.fhirpath.scope import Closure, Scope

Operate: TypeAlias = Callable[[Closure, Closure, Scope], Nodes]

negated = arithmetic.negated


def _of_nodes(function: Callable[[Nodes, Nodes], Nodes]) -> Operate:
    return lambda left, right, scope: function(left(scope), right(scope))


def _not_equal(left: Nodes, right: Nodes) -> Nodes:
    verdict = collections_equal(left, right)
    return truth(None if verdict is None else not verdict)


def _ordered(holds: Callable[[int], bool]) -> Operate:
    def compare(left: Nodes, right: Nodes) -> Nodes:
        a, b = single(left, "a comparison"), single(right, "a comparison")
        if a is None or b is None:
            return NOTHING
        order = ordering(a, b)
        return truth(None if order is None else holds(order))

    return _of_nodes(compare)


def _member_of(item: Nodes, collection: Nodes) -> Nodes:
    node = single(item, "`in` or `contains`")
    return NOTHING if node is None else truth(any(equal(each, node) for each in collection))


def _union(left: Nodes, right: Nodes) -> Nodes:
    if not right:
        return left if len(left) < 2 else distinct(left)  # noqa: PLR2004 - one is distinct
    if not left and len(right) == 1:
        return right
    return distinct([*left, *right])


def _and(left: Closure, right: Closure, scope: Scope) -> Nodes:
    a = logical(left(scope), "`and`")
    if a is False:
        return FALSE
    b = logical(right(scope), "`and`")
    return FALSE if b is False else truth(None if a is None or b is None else True)


def _or(left: Closure, right: Closure, scope: Scope) -> Nodes:
    a = logical(left(scope), "`or`")
    if a is True:
        return TRUE
    b = logical(right(scope), "`or`")
    return TRUE if b is True else truth(None if a is None or b is None else False)


def _xor(left: Closure, right: Closure, scope: Scope) -> Nodes:
    a, b = logical(left(scope), "`xor`"), logical(right(scope), "`xor`")
    return truth(None if a is None or b is None else a != b)


def _implies(left: Closure, right: Closure, scope: Scope) -> Nodes:
    a = logical(left(scope), "`implies`")
    if a is False:
        return TRUE
    b = logical(right(scope), "`implies`")
    if b is True:
        return TRUE
    return truth(None if a is None or b is None else False)


def _concatenated(left: Nodes, right: Nodes) -> Nodes:
    texts: list[str] = []
    for nodes in (left, right):
        node = single(nodes, "`&`")
        if node is not None and not isinstance(node.value, str):
            raise FhirPathError(f"`&` joins Strings, not {node.type}")
        texts.append(node.value if node is not None else "")
    return [Node("System.String", "".join(texts))]


OPERATORS: Mapping[str, Operate] = {
    "=": _of_nodes(lambda left, right: truth(collections_equal(left, right))),
    "!=": _of_nodes(_not_equal),
    "~": _of_nodes(lambda left, right: truth(collections_equivalent(left, right))),
    "!~": _of_nodes(lambda left, right: truth(not collections_equivalent(left, right))),
    "<": _ordered(lambda order: order < 0),
    ">": _ordered(lambda order: order > 0),
    "<=": _ordered(lambda order: order <= 0),
    ">=": _ordered(lambda order: order >= 0),
    "in": _of_nodes(_member_of),
    "contains": _of_nodes(lambda left, right: _member_of(right, left)),
    "|": _of_nodes(_union),
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
    "&": _of_nodes(_concatenated),
    "+": _of_nodes(arithmetic.added),
    "-": _of_nodes(arithmetic.subtracted),
    "*": _of_nodes(arithmetic.multiplied),
    "/": _of_nodes(arithmetic.divided),
    "div": _of_nodes(arithmetic.divided_whole),
    "mod": _of_nodes(arithmetic.remainder),
}
