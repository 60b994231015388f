"""The delete interaction, conditional or not: https://hl7.org/fhir/R4/http.html#delete."""

from __future__ import annotations

from fhir_server.fhir.resource import Key
from fhir_server.interactions.addressing import check_type
from fhir_server.interactions.call import Call
from fhir_server.interactions.criteria import criteria_of, only_match
from fhir_server.interactions.outcomes import Deleted
from fhir_server.interactions.writing import (
    ATTEMPTS,
    check_if_match,
    expected_version,
    lost_every_race,
    version_mismatch,
    write_one,
)
from fhir_server.storage.contract import Delete, Refused


async def delete(call: Call, key: Key, *, if_match: int | None = None) -> Deleted:
    """Make a deletion the current version, if there is one; raise PreconditionFailed."""
    check_type(call, key.type)
    call = call.to("d", key.type)
    for _ in range(ATTEMPTS):
        op = await deleting(call, key, if_match)
        if op is None:
            return Deleted(None)
        result = await write_one(call, op)
        if not isinstance(result, Refused):
            return Deleted(result.stored)
        if if_match is not None:
            raise version_mismatch(key, if_match, result.current)
    raise lost_every_race(key)


async def delete_matching(call: Call, resource_type: str, criteria: str) -> Deleted:
    """Delete the one match, if there is one; raise MultipleMatches."""
    selected = criteria_of(call, resource_type, criteria)
    call = call.to("d", resource_type)
    for _ in range(ATTEMPTS):
        match = await only_match(call, selected)
        if match is None:
            return Deleted(None)
        expectation = selected.expect(call, match.key)
        result = await write_one(call, Delete(match.key, expectation=expectation))
        if not isinstance(result, Refused):
            return Deleted(result.stored)
    raise lost_every_race(selected)


async def deleting(call: Call, key: Key, if_match: int | None) -> Delete | None:
    """Return the write, or None where the caller sees nothing to delete."""
    if not call.sight.sees_whole(key.type) and await call.store.read(call.sight, key) is None:
        check_if_match(if_match)
        if if_match is not None:
            raise version_mismatch(key, if_match, None)
        return None
    return Delete(key, expected=await expected_version(call, key, if_match))
