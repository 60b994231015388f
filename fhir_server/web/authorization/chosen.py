"""The patient that somebody chose for a request, until the request is answered."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import msgspec

from fhir_server.auth.server.users import User
from fhir_server.storage.keyvalues import KeyValues

KEPT = 600_000_000
"""Microseconds: as long as a request waits."""

_KIND = "chosen-patient"


class _Chosen(msgspec.Struct, frozen=True):
    subject: str
    patient: str


@dataclass(frozen=True, slots=True)
class ChosenPatients:
    """Keeps choices by the handle of the request: in an address they would stay in the browser's history."""

    values: KeyValues

    async def choose(self, handle: str, user: User, patient: str, *, now: int) -> None:
        """Keep a choice; a later one takes its place."""
        value = msgspec.json.encode(_Chosen(user.subject, patient))
        await self.values.put(_KIND, _hash(handle), value, now=now, expires=now + KEPT)

    async def of(self, handle: str, user: User, *, now: int) -> str | None:
        """Return the id that this user chose; None before."""
        kept = await self.values.get(_KIND, _hash(handle), now=now)
        if kept is None:
            return None
        chosen = msgspec.json.decode(kept, type=_Chosen)
        return chosen.patient if chosen.subject == user.subject else None


def _hash(handle: str) -> str:
    return sha256(handle.encode()).hexdigest()
