"""Matches that are inside other resources, as a page has them: https://hl7.org/fhir/R4/search.html#contained."""

from __future__ import annotations

from itertools import islice

import msgspec
from msgspec.structs import replace

from fhir_server.fhir.resource import Stored
from fhir_server.search.record import packed
from fhir_server.storage.pages import Row


class _Container(msgspec.Struct):
    contained: list[msgspec.Raw]


class _Contained(msgspec.Struct):
    resource_type: str = msgspec.field(name="resourceType", default="")


_containers = msgspec.json.Decoder(_Container)
_types = msgspec.json.Decoder(_Contained)


def drawn_out(row: Row) -> Row:
    """Return a contained resource by itself, as it stands in its container, addressed by it: `MedicationRequest/23#m1`.

    It is not marked as a part: nothing of it is left out.
    """
    if row.inside is None:
        return row
    _, record = row.record.contained[row.inside]
    return replace(row, id=row.id + record.id, body=_bytes(row, row.inside))


def container_of(row: Row) -> Stored:
    """Return what is stored of a row that is shown: of a contained resource its container."""
    if row.inside is None:
        return row.stored
    return replace(row, id=row.id.partition("#")[0]).stored


def _bytes(row: Row, place: int) -> bytes:
    """Return the bytes of a contained resource: the record has all of a known type, in their order."""
    kind, _ = row.record.contained[place]
    number = sum(name == kind for name, _ in row.record.contained[:place])
    within = _containers.decode(row.body).contained
    own = (each for each in within if _types.decode(each).resource_type == kind)
    return bytes(next(islice(own, number, None)))


def referring(row: Row) -> Row:
    """Return a match as includes follow it: a contained resource refers by its own parameters."""
    if row.inside is None:
        return row
    kind, record = row.record.contained[row.inside]
    # No other resource has an id with #.
    return replace(row, type=kind, id=f"{row.key}{record.id}", packed_record=packed(record))
