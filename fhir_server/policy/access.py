"""Who asks, as a verified token tells it: nothing here is ever taken from a plain header."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.policy.scopes import Scopes


@dataclass(frozen=True, slots=True)
class Access:
    """The caller. `organisation` is an ODS code; `patient` is the launch context, an id.

    `role` and `purpose` are kept as they were said: nothing is decided by them yet.
    """

    issuer: str
    subject: str
    scopes: Scopes
    client: str | None = None
    patient: str | None = None
    organisation: str | None = None
    role: str | None = None
    purpose: str | None = None

    @property
    def principal(self) -> str:
        """What tells one caller from another, and the same caller with another patient."""
        parts = (self.issuer, self.subject, self.client or "", self.patient or "")
        return "\0".join(parts)
