"""`is`, `as` and `ofType`: https://hl7.org/fhirpath/N1/#types."""

from __future__ import annotations

from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.node import Node, Nodes, single, truth
from fhir_server.fhir.fhirpath.schema import Schema
from fhir_server.fhir.fhirpath.scope import IsOfType
from fhir_server.fhir.fhirpath.syntax import TypeName

SYSTEM_TYPES = frozenset(
    {"Any", "Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"}
)


def is_a(schema: Schema, wanted: TypeName) -> IsOfType:
    """Return the test for a type and what specialises it; raise FhirPathError for an unknown one."""
    names = _names(schema, wanted)
    known: dict[str, bool] = {}

    def test(node: Node) -> bool:
        verdict = known.get(node.type)
        if verdict is None:
            verdict = known[node.type] = not names.isdisjoint(schema.bases(node.type))
        return verdict

    return test


def exactly(schema: Schema, wanted: TypeName) -> IsOfType:
    """Return the test that `as` and `ofType` make: of primitives no specialisation passes.

    A `code` is a `string`, yet `gender.as(string)` is empty: HL7's own cases say so.
    """
    names = _names(schema, wanted)
    if schema.is_primitive(wanted.name):
        return lambda node: node.type in names
    return is_a(schema, wanted)


def _names(schema: Schema, wanted: TypeName) -> frozenset[str]:
    names: set[str] = set()
    if wanted.namespace in {None, "FHIR"} and schema.knows(wanted.name):
        names.add(wanted.name)
    if wanted.namespace == "System" or (wanted.namespace is None and wanted.name in SYSTEM_TYPES):
        names.add(f"System.{wanted.name}")
    if not names:
        raise FhirPathError(f"there is no type {wanted.name!r}")
    return frozenset(names)


def tested(test: IsOfType, nodes: Nodes) -> Nodes:
    """Return `nodes is T`."""
    node = single(nodes, "`is`")
    return truth(None if node is None else test(node))


def narrowed(test: IsOfType, nodes: Nodes) -> Nodes:
    """Return the items of the type."""
    return [node for node in nodes if test(node)]
