"""Emergency grants: whose record is open to whom, until when. Each is of one person who signed in, and one patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from fhir_server.policy.access import Access
from fhir_server.storage.keyvalues import KeyValues

_OF_PERSON = "emergency:"
_BY_TASK = "emergency-task"


class Grant(msgspec.Struct, frozen=True):
    """A grant: `person` is a digest of who has it, `patient` an id, `task` that of its review, `until` in microseconds."""

    person: str
    patient: str
    task: str
    until: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Grant).decode


def person_of(access: Access) -> str:
    """Return what tells a person, in one app, from all others; what it is for makes no difference."""
    told = (access.issuer, access.subject, access.client)
    return blake2b(msgspec.msgpack.encode(told), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Grants:
    """The grants of a store; `now` is in microseconds. What has expired is no grant."""

    kept: KeyValues

    async def give(self, grant: Grant, *, now: int) -> None:
        """Open a record; an earlier grant to the same for the same patient is at an end."""
        content, kind = _encode(grant), _OF_PERSON + grant.person
        # Last what opens: a grant that could not be ended would be worse than none.
        await self.kept.put(_BY_TASK, grant.task, content, now=now, expires=grant.until)
        await self.kept.put(kind, grant.patient, content, now=now, expires=grant.until)

    async def of(self, access: Access, *, now: int) -> Sequence[Grant]:
        """Return the grants that a caller has."""
        found = await self.kept.items(_OF_PERSON + person_of(access), now=now)
        return [_decode(content) for _, content in found]

    async def by_task(self, task: str, *, now: int) -> Grant | None:
        """Return the grant that a Task is the review of, None where it is at an end."""
        content = await self.kept.get(_BY_TASK, task, now=now)
        return None if content is None else _decode(content)

    async def end(self, grant: Grant, *, now: int) -> None:
        """Close a record at once."""
        kind = _OF_PERSON + grant.person
        current = await self.kept.get(kind, grant.patient, now=now)
        if current is not None and _decode(current).task == grant.task:
            await self.kept.remove(kind, grant.patient)
        await self.kept.remove(_BY_TASK, grant.task)
