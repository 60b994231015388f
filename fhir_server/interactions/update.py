"""The update interaction, conditional or not: https://hl7.org/fhir/R4/http.html#update."""

from __future__ import annotations

from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.addressing import check_writable
from fhir_server.interactions.call import Call
from fhir_server.interactions.criteria import (
    criteria_of,
    id_in_use,
    key_to_update,
    only_match,
    version_of_nothing,
)
from fhir_server.interactions.drafting import check_same_id, prepare
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.writing import (
    ATTEMPTS,
    check_if_match,
    check_not_hidden,
    expected_of_none,
    expected_version,
    lost_every_race,
    saved,
    version_mismatch,
    write_one,
)
from fhir_server.storage.contract import Put, Refused


async def update(call: Call, key: Key, resource: Resource, *, if_match: int | None = None) -> Saved:
    """Write the next version, or the first; raise PreconditionFailed if `if_match` is not current."""
    check_writable(call, key)
    call = call.to("u", key.type)
    check_same_id(resource, key)
    draft = prepare(call, resource, key)
    for _ in range(ATTEMPTS):
        expected = await expected_version(call, key, if_match)
        result = await write_one(call, Put(draft, expected=expected))
        if not isinstance(result, Refused):
            return saved(result)
        if if_match is not None:
            raise version_mismatch(key, if_match, result.current)
        await check_not_hidden(call, key)
    raise lost_every_race(key)


async def update_matching(
    call: Call,
    resource_type: str,
    criteria: str,
    resource: Resource,
    *,
    if_match: int | None = None,
) -> Saved:
    """Update the one match, or create; raise MultipleMatches, PreconditionFailed or VersionConflict."""
    selected = criteria_of(call, resource_type, criteria)
    call = call.to("u", resource_type)
    check_if_match(if_match)
    fresh_id = call.new_id()
    for _ in range(ATTEMPTS):
        match = await only_match(call, selected)
        if match is None and if_match is not None:
            raise version_of_nothing(selected, if_match)
        key = key_to_update(call, selected, match, resource, fresh_id)
        put = Put(
            prepare(call, resource, key),
            expected=if_match if match else await expected_of_none(call, key),
            expectation=selected.expect(call, *((key,) if match else ())),
        )
        result = await write_one(call, put)
        if not isinstance(result, Refused):
            return saved(result)
        if if_match is not None and result.matches is None:
            raise version_mismatch(key, if_match, result.current)
        if result.matches is None and await only_match(call, selected) is None:
            await check_not_hidden(call, key)
            raise id_in_use(selected, key)
    raise lost_every_race(selected)
