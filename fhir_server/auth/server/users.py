"""People who sign in."""

from __future__ import annotations

from typing import Protocol

import msgspec

from fhir_server.policy.disclosure import OWN_REQUEST


class User(msgspec.Struct, frozen=True):
    """Someone who has signed in, in one role.

    `fhir_user` is the person's own record (`Practitioner/ada`), `organisation` an ODS code, `purposes` what this
    person may ask for (codes of v3-ActReason, the usual one first). `patients` are the ids that it may choose
    among: those alone; None: any that it may see.
    """

    subject: str
    name: str
    fhir_user: str | None = None
    role: str | None = None
    organisation: str | None = None
    purposes: tuple[str, ...] = ()
    patients: tuple[str, ...] | None = None

    @property
    def purposes_of_use(self) -> tuple[str, ...]:
        """What this person may ask for, the usual one first: who is bound to own records, for those."""
        return self.purposes or (() if self.patients is None else (OWN_REQUEST,))

    def may_choose(self, patient: str) -> bool:
        """Tell whether an app may be given this patient in context."""
        return self.patients is None or patient in self.patients


class Users(Protocol):
    """Knows people by name and password; `now` is in microseconds."""

    async def verify(self, name: str, password: str, *, now: int) -> User | None:
        """Return who that is, None for a wrong password as for an unknown name, after the same time."""
        ...
