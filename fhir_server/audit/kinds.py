"""What can happen, by name: its codes in an AuditEvent, and how it is said in words.

https://hl7.org/fhir/R4/valueset-audit-event-type.html and -audit-event-sub-type.html
"""

from __future__ import annotations

from typing import NamedTuple

DICOM = "http://dicom.nema.org/resources/ontology/DCM"
REST = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"


_AUTHENTICATION = (DICOM, "110114", "User Authentication")
_LOGIN = (DICOM, "110122", "Login")
_ALERT = (DICOM, "110113", "Security Alert")


class Kind(NamedTuple):
    """`action` is of C, R, U, D, E; `says` is a verb in the past tense; `profile` one of IHE BALP, "" where none fits."""

    action: str
    says: str
    profile: str = ""
    type: tuple[str, str, str] = (REST, "rest", "Restful Operation")
    subtype: tuple[str, str, str] | None = None


KINDS = {
    "read": Kind("R", "read", "Read"),
    "vread": Kind("R", "read a version of", "Read"),
    "history-instance": Kind("R", "read the history of"),
    "history-type": Kind("R", "read the history of"),
    "history-system": Kind("R", "read the history of"),
    "search-type": Kind("E", "searched", "Query"),
    "search-system": Kind("E", "searched", "Query"),
    "create": Kind("C", "created", "Create"),
    "update": Kind("U", "changed", "Update"),
    "patch": Kind("U", "changed"),
    "delete": Kind("D", "deleted", "Delete"),
    "batch": Kind("E", "sent a batch"),
    "transaction": Kind("E", "wrote"),
    "operation": Kind("E", "asked for an operation"),
    "sign-in": Kind("E", "signed in", type=_AUTHENTICATION, subtype=_LOGIN),
    "sign-out": Kind("E", "signed out", type=_AUTHENTICATION, subtype=(DICOM, "110123", "Logout")),
    "permit": Kind(
        "E",
        "let an app have access",
        type=_ALERT,
        subtype=(DICOM, "110137", "User Security Attributes Changed"),
    ),
    "token": Kind("E", "got a token", type=_AUTHENTICATION, subtype=_LOGIN),
    "break-glass": Kind(
        "E",
        "opened the record in an emergency",
        type=_ALERT,
        subtype=(DICOM, "110127", "Emergency Override Started"),
    ),
    "break-glass-end": Kind(
        "E",
        "ended the emergency access to the record",
        type=_ALERT,
        subtype=(DICOM, "110138", "Emergency Override Stopped"),
    ),
    "member": Kind(
        "U",
        "changed who is a member of the federation",
        type=_ALERT,
        subtype=(DICOM, "110128", "Network Configuration"),
    ),
    "load": Kind("C", "loaded files", type=(DICOM, "110107", "Import")),
}
"""By `Event.kind`; those of REST are the codes of the interactions."""


def kind_of(name: str) -> Kind:
    """Return what a kind means; one that is not known is told by its name, so that it holds nothing else up."""
    return KINDS.get(name) or Kind("E", f"did this: {name}")


SEARCHED = frozenset({"search-type", "search-system", "operation", "batch"})
"""Kinds that are told by what was asked; how much of each type was shown is counted."""
