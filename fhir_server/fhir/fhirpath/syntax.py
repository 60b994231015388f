"""The syntax tree of a FHIRPath expression: https://hl7.org/fhirpath/N1/#formal-specifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from fhir_server.fhir.fhirpath.node import Node


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; `node` is None for the empty collection `{}`."""

    node: Node | None


@dataclass(frozen=True, slots=True)
class Constant:
    """An environment variable: `%resource`."""

    name: str


@dataclass(frozen=True, slots=True)
class Special:
    """One of `$this`, `$index` and `$total`."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """The children of a name; without a target those of `$this`."""

    target: Expression | None
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function on a collection; without a target on `$this`."""

    target: Expression | None
    name: str
    arguments: tuple[Expression, ...]
    column: int


@dataclass(frozen=True, slots=True)
class Indexer:
    """The item at a place: `name[0]`."""

    target: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Polarity:
    """A sign before a number."""

    negative: bool
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two expressions."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type, with its namespace if it was written: `FHIR.Patient`, `Quantity`."""

    namespace: str | None
    name: str


@dataclass(frozen=True, slots=True)
class TypeOperation:
    """`is` or `as` as an operator."""

    operator: str
    operand: Expression
    type: TypeName


Expression: TypeAlias = (
    Literal | Constant | Special | Member | Call | Indexer | Polarity | Binary | TypeOperation
)
