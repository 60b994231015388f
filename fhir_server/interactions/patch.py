"""The patch interaction, conditional or not: https://hl7.org/fhir/R4/http.html#patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

from fhir_server.fhir.errors import NotFound
from fhir_server.fhir.fhirpath_patch import apply_fhirpath_patch
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.json_patch import apply_json_patch
from fhir_server.fhir.resource import Key, Resource, Stored
from fhir_server.interactions.addressing import check_type
from fhir_server.interactions.call import Call
from fhir_server.interactions.criteria import Criteria, criteria_of, only_match
from fhir_server.interactions.drafting import check_same_id, prepare
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.read import read
from fhir_server.interactions.writing import (
    ATTEMPTS,
    check_if_match,
    lost_every_race,
    saved,
    version_mismatch,
    write_one,
)
from fhir_server.storage.contract import Expectation, Put, Refused


@dataclass(frozen=True, slots=True)
class JsonPatch:
    """Operations after RFC 6902, as parsed JSON."""

    operations: Any


@dataclass(frozen=True, slots=True)
class FhirPathPatch:
    """Operations as a Parameters resource: https://hl7.org/fhir/R4/fhirpatch.html."""

    parameters: Resource


Change: TypeAlias = JsonPatch | FhirPathPatch

PATCHING = "ru"
"""A patch reads as well: its answer shows, and its tests ask, what the resource holds."""


async def patch(call: Call, key: Key, change: Change, *, if_match: int | None = None) -> Saved:
    """Write the changed version; raise NotFound, Gone, PreconditionFailed or VersionConflict."""
    check_type(call, key.type)
    call = call.to(PATCHING, key.type)
    check_if_match(if_match)
    for _ in range(ATTEMPTS):
        current = await read(call, key)
        result = await write_one(call, patching(call, current, change, if_match))
        if not isinstance(result, Refused):
            return saved(result)
        if if_match is not None:
            raise version_mismatch(key, if_match, result.current)
    raise lost_every_race(key)


async def patch_matching(
    call: Call, resource_type: str, criteria: str, change: Change, *, if_match: int | None = None
) -> Saved:
    """Patch the one match; raise NotFound where there is none, and MultipleMatches."""
    selected = criteria_of(call, resource_type, criteria)
    call = call.to(PATCHING, resource_type)
    check_if_match(if_match)
    for _ in range(ATTEMPTS):
        match = await only_match(call, selected)
        if match is None:
            raise nothing_to_patch(selected)
        expectation = selected.expect(call, match.key)
        result = await write_one(call, patching(call, match, change, if_match, expectation))
        if not isinstance(result, Refused):
            return saved(result)
        if if_match is not None and result.matches is None:
            raise version_mismatch(match.key, if_match, result.current)
    raise lost_every_race(selected)


def nothing_to_patch(criteria: Criteria) -> NotFound:
    """Return the answer for a conditional patch without a match."""
    return NotFound(f"nothing matches {criteria}, so there is nothing to patch")


def patching(
    call: Call,
    current: Stored,
    change: Change,
    if_match: int | None = None,
    expectation: Expectation | None = None,
) -> Put:
    """Return the write of a changed version, which holds only if the current one still is."""
    if if_match is not None and if_match != current.version:
        raise version_mismatch(current.key, if_match, current.version)
    resource = _changed(call, current, change)
    check_same_id(resource, current.key)
    draft = prepare(call, resource, current.key)
    return Put(draft, "PATCH", expected=current.version, expectation=expectation)


def _changed(call: Call, current: Stored, change: Change) -> Resource:
    assert current.body is not None, "a deletion is refused before"
    resource = parse_resource(current.body)
    match change:
        case JsonPatch(operations):
            return apply_json_patch(resource, operations)
        case FhirPathPatch(parameters):
            return apply_fhirpath_patch(resource, parameters, call.definitions)
        case _:
            assert_never(change)
