"""The read interaction: https://hl7.org/fhir/R4/http.html#read."""

from __future__ import annotations

from fhir_server.fhir.resource import Key, Stored
from fhir_server.interactions.addressing import absent, check_type, gone
from fhir_server.interactions.call import Call


async def read(call: Call, key: Key) -> Stored:
    """Return the current version; raise NotFound, Gone or InsufficientScope."""
    call = call.to("r", key.type)
    found = await call.store.read(call.sight, key)
    if found is None:
        check_type(call, key.type)
        # The same answer for what is hidden: a 403 would tell that it exists.
        raise absent(key)
    if found.deleted:
        raise gone(found)
    return found
