"""What may be written at a member through the hub: a short table that people review. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias

import msgspec

Write: TypeAlias = Literal["update", "patch"]
Writes: TypeAlias = Mapping[str, Collection[Write]]
"""The interactions by resource type."""

_table = msgspec.json.Decoder(dict[str, list[Write]]).decode


def read_writes(content: bytes, known: Collection[str]) -> Writes:
    """Return the table; raise ValueError for one that names other types than these."""
    try:
        found = _table(content)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the table of federated writes cannot be read: {error}") from error
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise ValueError(
            f"the table of federated writes names what is no type, or tells of patients: {unknown}"
        )
    return found
