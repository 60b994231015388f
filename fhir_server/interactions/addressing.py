"""Which addresses exist on this server: the one place that knows the resource types.

https://hl7.org/fhir/R4/http.html#general
"""

from __future__ import annotations

from difflib import get_close_matches

from fhir_server.fhir.errors import BadRequest, Gone, MethodNotAllowed, NotFound
from fhir_server.fhir.resource import LOGICAL_ID, Key, Stored
from fhir_server.interactions.call import Call


def check_type(call: Call, resource_type: str) -> None:
    """Raise NotFound for a name that is no resource type of R4."""
    if resource_type in call.definitions.resource_types:
        return
    near = get_close_matches(resource_type, sorted(call.definitions.resource_types), n=1)
    hint = f"; did you mean {near[0]}?" if near else "; type names are case-sensitive"
    raise NotFound(f"FHIR R4 has no resource type {resource_type!r}{hint}")


def check_writable(call: Call, key: Key) -> None:
    """Raise NotFound for an unknown type, BadRequest for an id that no resource may have."""
    check_type(call, key.type)
    if LOGICAL_ID.match(key.id) is None:
        raise BadRequest(
            f"{key.id!r} cannot be an id: 1 to 64 letters, digits, hyphens and dots are allowed"
        )


def absent(key: Key) -> NotFound:
    """Return the one answer for what is not there and for what this caller may not see."""
    return NotFound(f"{key} is not known here")


def new_address(key: Key) -> MethodNotAllowed:
    """Return the answer for an update where the caller sees nothing, and may not create: https://hl7.org/fhir/R4/http.html#update."""
    return MethodNotAllowed(
        f"{key} is not known here, and a caller like this creates nothing at an address of its own choice: "
        f"POST to {key.type} instead",
        ("GET", "HEAD", "PATCH", "DELETE", "OPTIONS"),
    )


def gone(stored: Stored) -> Gone:
    """Return the answer for a deleted resource."""
    return Gone(f"{stored.key} was deleted in version {stored.version}")
