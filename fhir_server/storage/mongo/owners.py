"""Owner classes: the distinct sets of patients that resources concern, by number."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from fhir_server.policy.labels import labels_of
from fhir_server.search.record import IndexRecord
from fhir_server.storage.mongo.denials import Denials
from fhir_server.storage.mongo.workspace import Workspace

OWNER = "owner"


def owner_id(record: IndexRecord) -> bytes:
    """Return what tells one owner class from another."""
    return class_id(record.compartments, record.people, labels_of(record))


def class_id(members: Sequence[str], mentions: Sequence[str], labels: Sequence[str]) -> bytes:
    """Return what tells the owner class of these patients and labels from another."""
    told = msgspec.msgpack.encode((members, mentions, labels))
    return blake2b(told, digest_size=16).digest()


class Owners:
    """Interns owner classes, and tells of new ones; `latest` is the highest number that was given."""

    def __init__(self, workspace: Workspace, latest: int, denials: Denials | None) -> None:
        self._workspace = workspace
        self._denials = denials
        self.latest = latest

    async def intern(self, record: IndexRecord) -> int:
        """Return the number of the owner class of the patients that the record names."""
        own = owner_id(record)
        known = await self._workspace.get(OWNER, own)
        if known is not None:
            return int(known["n"])
        self.latest += 1
        made = {
            "_id": own,
            "n": self.latest,
            "members": list(record.compartments),
            "mentions": list(record.people),
            "labels": list(labels_of(record)),
        }
        self._workspace.add(OWNER, made)
        if self._denials is not None:
            await self._denials.made(made)
        return self.latest
