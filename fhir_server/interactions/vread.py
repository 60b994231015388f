"""The vread interaction: https://hl7.org/fhir/R4/http.html#vread."""

from __future__ import annotations

from fhir_server.fhir.errors import NotFound
from fhir_server.fhir.resource import Key, Stored
from fhir_server.interactions.addressing import check_type, gone
from fhir_server.interactions.call import Call

HIGHEST_VERSION = 2**53
"""Above any version that was ever made, and still a number that every store can hold."""


async def vread(call: Call, key: Key, version: int) -> Stored:
    """Return one version; raise NotFound, or Gone where that version is a deletion."""
    check_type(call, key.type)
    call = call.to("r", key.type)
    found = None
    if 0 < version < HIGHEST_VERSION:
        found = await call.store.read(call.sight, key, version)
    if found is None:
        raise NotFound(f"{key} has no version {version} here")
    if found.deleted:
        raise gone(found)
    return found
