"""In whose name a server asks another: the context that its assertion carries, and that the other side reads. Pure.

The B2B authorization extension of HL7's UDAP security guide, whose codes are URIs of the form SYSTEM#CODE:
https://hl7.org/fhir/us/udap-security/b2b.html#b2b-authorization-extension-object
It stands in the signed assertion, so nobody on the way can change it, and SMART Backend Services
(https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html) is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

B2B = "hl7-b2b"
FDP = "https://example.org/fdp/authorization-context"
"""An extension of our own beside it, for the programme of the register of flows, which B2B has no word for."""

ORGANISATIONS = "https://fhir.nhs.uk/Id/ods-organization-code"
ROLES = "https://fhir.hl7.org.uk/CodeSystem/UKCore-SDSJobRoleName"
PURPOSES = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_PURPOSES_TOO = "urn:oid:2.16.840.1.113883.5.8"

LONGEST = 300
"""Characters of a value."""

_SUBJECT = re.compile(r"[\x21-\x7e]+#[\x21-\x7e]+")
"""Printable alone: a character between the parts of a principal would make one caller look like another."""
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


@dataclass(frozen=True, slots=True)
class Behalf:
    """A caller in another server's word: `subject` is ISSUER#NAME, `organisation` an ODS code, `purpose` of v3-ActReason."""

    subject: str
    organisation: str
    role: str
    purpose: str
    programme: str | None = None


class BadContext(ValueError):
    """The context names nobody, or says what cannot be read; the message tells what."""


class _B2B(msgspec.Struct, frozen=True):
    version: str
    subject_id: str
    subject_role: str
    organization_id: str
    purpose_of_use: list[str]


class _FDP(msgspec.Struct, frozen=True):
    programme: str


class _Extensions(msgspec.Struct, frozen=True):
    b2b: _B2B = msgspec.field(name=B2B)
    fdp: _FDP | None = msgspec.field(name=FDP, default=None)


def extensions_of(behalf: Behalf) -> Mapping[str, Any]:
    """Return the claim `extensions` of an assertion."""
    told: dict[str, Any] = {
        B2B: {
            "version": "1",
            "subject_id": behalf.subject,
            "subject_role": f"{ROLES}#{behalf.role}",
            "organization_id": f"{ORGANISATIONS}#{behalf.organisation}",
            "purpose_of_use": [f"{PURPOSES}#{behalf.purpose}"],
        }
    }
    return told if behalf.programme is None else told | {FDP: {"programme": behalf.programme}}


def behalf_in(extensions: object) -> Behalf:
    """Return in whose name an assertion with this claim asks; raise BadContext."""
    try:
        said = msgspec.convert(extensions, _Extensions)
    except msgspec.ValidationError as error:
        raise BadContext(f"extensions of the assertion must have {B2B}: {error}") from error
    b2b = said.b2b
    if b2b.version != "1":
        raise BadContext(f'{B2B}.version must be "1"')
    if len(b2b.purpose_of_use) != 1:
        raise BadContext(f"{B2B}.purpose_of_use must name one purpose: a token is for one")
    if len(b2b.subject_id) > LONGEST or not _SUBJECT.fullmatch(b2b.subject_id):
        raise BadContext(f"{B2B}.subject_id must be ISSUER#NAME, printable, up to {LONGEST} long")
    return Behalf(
        b2b.subject_id,
        _code(b2b.organization_id, "organization_id", ORGANISATIONS),
        _code(b2b.subject_role, "subject_role", ROLES),
        _code(b2b.purpose_of_use[0], "purpose_of_use", PURPOSES, _PURPOSES_TOO),
        None if said.fdp is None else _plain(said.fdp.programme, "programme"),
    )


def _code(value: str, name: str, *systems: str) -> str:
    system, _, code = value.rpartition("#")
    if system not in systems:
        raise BadContext(f"{B2B}.{name} must be {systems[0]}#CODE")
    return _plain(code, name)


def _plain(code: str, name: str) -> str:
    if not _CODE.fullmatch(code):
        raise BadContext(f"{name} must end with a code of letters, digits and . _ : -")
    return code
