"""The create interaction, conditional or not: https://hl7.org/fhir/R4/http.html#create."""

from __future__ import annotations

from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.addressing import check_type
from fhir_server.interactions.call import Call
from fhir_server.interactions.criteria import Criteria, criteria_of, only_match
from fhir_server.interactions.drafting import prepare
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.writing import ATTEMPTS, lost_every_race, saved, write_one
from fhir_server.storage.contract import Put, Refused


async def create(
    call: Call, resource_type: str, resource: Resource, *, if_none_exist: str | None = None
) -> Saved:
    """Write a new resource, unless one matches `if_none_exist`: then return that; raise MultipleMatches."""
    check_type(call, resource_type)
    call = call.to("c", resource_type)
    if if_none_exist is not None:
        criteria = criteria_of(call, resource_type, if_none_exist)
        return await _create_unless_matched(call, resource, criteria)
    key = Key(resource_type, call.new_id())
    put = Put(prepare(call, resource, key), method="POST", expected=0)
    result = await write_one(call, put)
    if isinstance(result, Refused):
        raise lost_every_race(key)
    return saved(result)


async def _create_unless_matched(call: Call, resource: Resource, criteria: Criteria) -> Saved:
    key = Key(criteria.type, call.new_id())
    put = None
    for _ in range(ATTEMPTS):
        match = await only_match(call, criteria)
        if match is not None:
            return Saved(match, created=False, changed=False)
        put = put or Put(
            prepare(call, resource, key),
            method="POST",
            expected=0,
            expectation=criteria.expect(call),
        )
        result = await write_one(call, put)
        if not isinstance(result, Refused):
            return saved(result)
    raise lost_every_race(criteria)
