"""A FHIR resource as plain data, its address, and one stored version of it.

Structs, not dataclasses: a page of a search makes dozens, and these cost a fifth.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

Resource = dict[str, Any]
"""A parsed resource: dicts, lists, str, bool, int and Decimal; the one place for Any."""

LOGICAL_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
"""The rule for ids: https://hl7.org/fhir/R4/datatypes.html#id."""


class Key(msgspec.Struct, frozen=True, order=True):
    """The address of a resource on this server: `Patient/ada`."""

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"


class Stored(msgspec.Struct, frozen=True):
    """One version of a resource, as the exact bytes that it is answered with.

    `moment` is in microseconds since 1970 (UTC); `body` is None for a deletion.
    `method` is the HTTP verb that made the version: POST, PUT, PATCH or DELETE.
    """

    key: Key
    version: int
    moment: int
    method: str
    body: bytes | None

    @property
    def deleted(self) -> bool:
        """Tell whether this version is a deletion."""
        return self.body is None
