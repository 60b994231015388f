"""The operations that are served: the one list, from which routes and the CapabilityStatement follow."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.operations.break_glass import BREAK_GLASS, END_BREAK_GLASS
from fhir_server.operations.everything import ENCOUNTER_EVERYTHING, PATIENT_EVERYTHING
from fhir_server.operations.explain_access import EXPLAIN_ACCESS
from fhir_server.operations.lastn import OBSERVATION_LASTN
from fhir_server.operations.not_computed import NOT_COMPUTED
from fhir_server.operations.operation import Level, Operation
from fhir_server.operations.status import SEARCH_PARAMETER_STATUS

OPERATIONS = (
    OBSERVATION_LASTN,
    PATIENT_EVERYTHING,
    ENCOUNTER_EVERYTHING,
    SEARCH_PARAMETER_STATUS,
    BREAK_GLASS,
    END_BREAK_GLASS,
    EXPLAIN_ACCESS,
    NOT_COMPUTED,
)


def find(name: str, level: Level, resource_type: str) -> Operation | None:
    """Return the operation of this name (with its `$`) at this place, None if there is none."""
    for each in OPERATIONS:
        # On the system there is no type to ask for.
        served = level == "system" or each.place_of(resource_type) is not None
        if f"${each.name}" == name and level in each.levels and served:
            return each
    return None


def addresses() -> tuple[str, ...]:
    """Return the addresses of all operations, in order."""
    return tuple(sorted(address for each in OPERATIONS for address in each.addresses))


def served_on(resource_type: str) -> Mapping[str, str]:
    """Return the operations of a type alone: the URL of the definition by name."""
    return {each.name: each.url for each in OPERATIONS if resource_type in each.types}


def served_everywhere() -> Mapping[str, str]:
    """Return the operations of the system and of every type: the URL of the definition by name."""
    return {each.name: each.url for each in OPERATIONS if "system" in each.levels}
