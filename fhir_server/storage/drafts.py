"""A draft and what only its write knows, made into the bytes that are stored and answered."""

from __future__ import annotations

from fhir_server.fhir.instants import instant
from fhir_server.storage.contract import Draft


def rendered(draft: Draft, version: int, moment: int) -> bytes:
    """Return the resource as it is stored: resourceType, id, meta, then the rest as it was sent."""
    head = (
        f'{{"resourceType":"{draft.key.type}","id":"{draft.key.id}",'
        f'"meta":{{"versionId":"{version}","lastUpdated":"{instant(moment)}"'
    ).encode()
    meta = b"," + draft.meta if draft.meta else b""
    rest = b"," + draft.rest if draft.rest else b""
    return head + meta + b"}" + rest + b"}"
