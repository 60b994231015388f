"""What indexing collects, and what each type of parameter adds to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from fhir_server.fhir.fhirpath import Node
from fhir_server.search.expression import Bound

Extent: TypeAlias = tuple[str, Bound, Bound, tuple[str, ...]]
"""Axis, low and high end, tags."""


@dataclass(slots=True)
class Entries:
    """Terms, and ranges as (axis, low, high, tags), in any order and with repetitions.

    `present` are the parameters whose element is there, `patients` those whose compartment this places it in.
    """

    terms: list[str] = field(default_factory=list)
    ranges: list[Extent] = field(default_factory=list)
    present: set[str] = field(default_factory=set)
    patients: set[str] = field(default_factory=set)


Indexer: TypeAlias = Callable[[Node, Entries], None]
"""Add what one value of a parameter can be found by; nothing for a type that the parameter cannot have."""
