"""What types a FHIRPath expression may yield, as far as that can be told without a resource. Pure."""

from __future__ import annotations

from fhir_server.fhir.fhirpath import FhirPathError
from fhir_server.fhir.fhirpath.compiler import schema_of
from fhir_server.fhir.fhirpath.parser import parse
from fhir_server.fhir.fhirpath.schema import Schema
from fhir_server.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Expression,
    Indexer,
    Member,
    TypeOperation,
)
from fhir_server.fhir.structure import TypeSource

Types = frozenset[str]

_KEEP = frozenset(("where", "first", "last", "tail", "skip", "take", "distinct", "single"))
_TELL = frozenset(("exists", "empty", "not", "all", "hasValue", "is"))
_COMPARE = frozenset(("=", "~", "!=", "!~", "<", ">", "<=", ">=", "and", "or", "xor", "in", "is"))
_ANY_RESOURCE = frozenset(("Resource", "DomainResource"))
_BOOLEAN = frozenset(("System.Boolean",))


def types_of(expression: str, types: TypeSource) -> Types | None:
    """Return the types that it may yield, None where that cannot be told.

    Raise FhirPathError for what is no FHIRPath, and for a step to an element that there is not.
    """
    return _types(parse(expression), schema_of(types))


def _types(tree: Expression, schema: Schema) -> Types | None:
    match tree:
        case Member(None, name):
            return frozenset((name,)) if schema.knows(name) else None
        case Member(target, name) if target is not None:
            return _children(_types(target, schema), name, schema, is_head=_is_head(target))
        case Call(target, name, arguments):
            return _of_call(target, name, arguments, schema)
        case Indexer(target):
            return _types(target, schema)
        case TypeOperation("as", _, named):
            return frozenset((named.name,))
        case Binary("|", left, right):
            both = _types(left, schema), _types(right, schema)
            return None if None in both else frozenset().union(*filter(None, both))
        case Binary(operator) | TypeOperation(operator):
            return _BOOLEAN if operator in _COMPARE else None
        case _:
            return None


def _is_head(tree: Expression) -> bool:
    return isinstance(tree, Member) and tree.target is None


def _children(found: Types | None, name: str, schema: Schema, *, is_head: bool) -> Types | None:
    if found is None:
        return None
    children = frozenset(
        code
        for kind in found
        if (element := schema.elements(kind).get(name)) is not None
        for _, code in schema.alternatives(kind, element)
    )
    if not children and not is_head and found & _ANY_RESOURCE:
        # A resource inside of another: of which type is known once it is there.
        return None
    if not children:
        raise FhirPathError(f"{' or '.join(sorted(found)[:3])} has no element {name}")
    return children


def _of_call(
    target: Expression | None, name: str, arguments: tuple[Expression, ...], schema: Schema
) -> Types | None:
    if target is not None and name in _KEEP:
        return _types(target, schema)
    if name == "extension":
        return frozenset(("Extension",))
    if name in {"as", "ofType"} and arguments and isinstance(arguments[0], Member):
        return frozenset((arguments[0].name,))
    return _BOOLEAN if name in _TELL else None
