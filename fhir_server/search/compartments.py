"""Compartments: what refers to one resource by the parameters that place it there. Pure.

https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.resource import Key
from fhir_server.search.expression import (
    NOTHING,
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasTerm,
    Plan,
    Predicate,
)
from fhir_server.search.record import reference_term

ITSELF = "{def}"
"""What the definitions have in place of a parameter: the resource itself is in its compartment."""


def members(definitions: Definitions, compartment: str) -> Mapping[str, Sequence[str]]:
    """Return the parameters by type; raise BadRequest where there is no such compartment."""
    found = definitions.compartments.get(compartment)
    if found is None:
        named = ", ".join(sorted(definitions.compartments))
        raise BadRequest(f"There is no compartment of a {compartment}; compartments are of {named}")
    if compartment == "Patient":
        # A link to another patient gives no sight of this record; each is in its own compartment alone.
        return {**found, "Patient": (ITSELF,)}
    return found


def within(plan: Plan, owner: Key, definitions: Definitions) -> Plan:
    """Return the plan for what is in a compartment alone; raise BadRequest for a type that never is."""
    known = members(definitions, owner.type)
    types = frozenset(known) if plan.types is None else plan.types
    for each in sorted(types - known.keys()):
        raise BadRequest(
            f"No {each} is in the compartment of a {owner.type}: {owner}/* finds all that is, "
            f"{each}?… searches it by its own parameters"
        )
    placed = tuple((each, _refers(known[each], owner)) for each in sorted(types))
    if len(placed) == 1:
        ((only, refers),) = placed
        return replace(plan, predicate=AllOf((refers, plan.predicate_of(only))), placed=())
    return replace(plan, types=types, placed=(*placed, *plan.placed))


def membership(definitions: Definitions, resource_type: str, owner: Key) -> Predicate:
    """Return that a resource of a type is in the compartment of its owner; nothing of some types is."""
    parameters = members(definitions, owner.type).get(resource_type)
    return NOTHING if parameters is None else _refers(parameters, owner)


def _refers(parameters: Sequence[str], owner: Key) -> Predicate:
    """Return that one of the parameters refers to the owner."""
    terms = tuple(reference_term(each, str(owner)) for each in parameters if each != ITSELF)
    # Terms lead a search in page order; an AnyOf of them would not.
    refers = HasTerm(terms[0]) if len(terms) == 1 else HasAnyTerm(terms)
    if ITSELF not in parameters:
        return refers
    itself = HasId((owner.id,))
    return AnyOf((itself, refers)) if terms else itself
