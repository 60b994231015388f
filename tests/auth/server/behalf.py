"""Assertions of a trusted hub that name nobody, or whom it may not ask for: each is refused, with what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.auth.behalf import B2B, FDP, Behalf, extensions_of
from tests.auth.server.material import an_assertion, assertion_claims

ADA = Behalf("https://hub.example#ada", "RXX01", "R8000", "TREAT")
_ROLES = "https://fhir.hl7.org.uk/CodeSystem/UKCore-SDSJobRoleName"
_ORGANISATIONS = "https://fhir.nhs.uk/Id/ods-organization-code"
_PURPOSES = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def naming(extensions: Any, **claims: Any) -> str:
    """Return an assertion of the hub with these extensions."""
    own = {"iss": "hub", "sub": "hub", "extensions": extensions}
    return an_assertion(assertion_claims(**(own | claims)))


def but(**changes: Any) -> Mapping[str, Any]:
    """Return good extensions, but for these members of the B2B one; None leaves one out."""
    b2b = {**extensions_of(ADA)[B2B], **changes}
    return {B2B: {name: value for name, value in b2b.items() if value is not None}}


MALFORMED: dict[str, tuple[Any, str]] = {
    "no extensions": (None, "must have hl7-b2b"),
    "extensions a text": ("TREAT", "must have hl7-b2b"),
    "extensions a list": ([], "must have hl7-b2b"),
    "no B2B extension": ({}, "must have hl7-b2b"),
    "another extension alone": ({"ihe_iua": {}}, "must have hl7-b2b"),
    "B2B null": ({B2B: None}, "must have hl7-b2b"),
    "B2B a list": ({B2B: [but()[B2B]]}, "must have hl7-b2b"),
    "B2B in capitals": ({"HL7-B2B": but()[B2B]}, "must have hl7-b2b"),
    "no version": (but(version=None), "version"),
    "version a number": (but(version=1), "version"),
    "another version": (but(version="2"), "version"),
    "no subject": (but(subject_id=None), "subject_id"),
    "an empty subject": (but(subject_id=""), "subject_id"),
    "a subject without its issuer": (but(subject_id="ada"), "subject_id"),
    "a subject of nobody": (but(subject_id="https://hub.example#"), "subject_id"),
    "a subject with a NUL": (but(subject_id="https://hub.example#a\0da"), "subject_id"),
    "a subject with a line end": (but(subject_id="https://hub.example#ada\n"), "subject_id"),
    "a subject that looks like another": (
        but(subject_id="https://hub.example#\u0430da"),
        "subject_id",
    ),
    "a huge subject": (but(subject_id="https://hub.example#" + "a" * 300), "subject_id"),
    "subject a list": (but(subject_id=["https://hub.example#ada"]), "subject_id"),
    "no role": (but(subject_role=None), "subject_role"),
    "role without its system": (but(subject_role="R8000"), "subject_role"),
    "role of another system": (
        but(subject_role="http://nucc.org/provider-taxonomy#R8000"),
        "subject_role",
    ),
    "an empty role": (but(subject_role=f"{_ROLES}#"), "subject_role"),
    "two roles": (but(subject_role=f"{_ROLES}#R8000 R8010"), "subject_role"),
    "no organisation": (but(organization_id=None), "organization_id"),
    "organisation of another system": (
        but(organization_id="https://hub.example#RXX01"),
        "organization_id",
    ),
    "organisation with a bar": (but(organization_id=f"{_ORGANISATIONS}#a|b"), "organization_id"),
    "no purpose": (but(purpose_of_use=None), "purpose_of_use"),
    "purpose a text": (but(purpose_of_use=f"{_PURPOSES}#TREAT"), "purpose_of_use"),
    "no purpose in the list": (but(purpose_of_use=[]), "one purpose"),
    "two purposes": (
        but(purpose_of_use=[f"{_PURPOSES}#TREAT", f"{_PURPOSES}#HRESCH"]),
        "one purpose",
    ),
    "purpose without its system": (but(purpose_of_use=["TREAT"]), "purpose_of_use"),
    "purpose of another system": (
        but(purpose_of_use=["urn:oid:2.16.840.1.113883.5.7#TREAT"]),
        "purpose_of_use",
    ),
    "a programme that is a number": ({**but(), FDP: {"programme": 1}}, "programme"),
    "an empty programme": ({**but(), FDP: {"programme": ""}}, "programme"),
}

NOT_ADMITTED: dict[str, tuple[Behalf, str]] = {
    "a purpose that it is not registered for": (
        Behalf(ADA.subject, "RXX01", "R8000", "HRESCH"),
        "other purposes of use than",
    ),
    "a purpose below one that it is registered for": (
        Behalf(ADA.subject, "RXX01", "R8000", "COC"),
        "other purposes of use than",
    ),
    "a purpose that nobody knows": (
        Behalf(ADA.subject, "RXX01", "R8000", "TREET"),
        "other purposes of use than",
    ),
    "a purpose that nobody may have": (
        Behalf(ADA.subject, "RXX01", "R8000", "HMARKT"),
        "Nothing is disclosed",
    ),
    "the own record of nobody in context": (
        Behalf(ADA.subject, "RXX01", "patient", "PATRQT"),
        "own record",
    ),
    "a role that is not known here": (
        Behalf(ADA.subject, "RXX01", "R9999", "TREAT"),
        "role 'R9999' is not known",
    ),
    "a role that is not for the purpose": (
        Behalf(ADA.subject, "RXX01", "R8012", "TREAT"),
        "is not for the purpose",
    ),
    "a programme that is not registered here": (
        Behalf(ADA.subject, "RXX01", "R8000", "TREAT", "nobody's"),
        "programme",
    ),
}
