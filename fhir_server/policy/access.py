"""Who asks, as a verified token tells it: nothing here is ever taken from a plain header."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.policy.scopes import Scopes


@dataclass(frozen=True, slots=True)
class Access:
    """The caller. `organisation` is an ODS code; `patient` is the launch context, an id.

    `purpose` is a purpose of use, a code of v3-ActReason; `role` is one of profiles/policy/roles.json, `programme` one
    of the register of flows.
    """

    issuer: str
    subject: str
    scopes: Scopes
    client: str | None = None
    patient: str | None = None
    organisation: str | None = None
    role: str | None = None
    purpose: str | None = None
    programme: str | None = None

    @property
    def principal(self) -> str:
        """What tells one caller from another, and the same caller with another patient, purpose or role."""
        told = (
            self.client,
            self.patient,
            self.purpose,
            self.organisation,
            self.role,
            self.programme,
        )
        return "\0".join((self.issuer, self.subject, *(each or "" for each in told)))
