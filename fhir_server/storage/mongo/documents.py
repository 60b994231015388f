"""The documents: one for each resource, one for each of its past versions.

Names are short, as each document repeats them:

    _id  "Patient/ada"; of a past version "Patient/ada/1"
    t i  type and logical id          v  version          m  moment, microseconds since 1970
    e    method: POST, PUT, PATCH or DELETE               x  deleted
    d    primary date                 n  surrogate id: given once, in the order of creation
    o    owner class                  c  ids of the patients whose compartment it is in
    k    terms that searches lead with, each after its type: "Patient.gender=female"; of contained ones "#Patient."
    u    terms that are looked at, and lead nowhere
    r    ranges: a axis with type and span class, l low, h high, g tags
    p    search parameters whose element it has
    z    index record, packed         b  the exact bytes that it is answered with
    a    of types that tell of others (`search/telling`): what it tells of; nobody knows where it is missing
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import bson
from bson import Int64
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry

from fhir_server.fhir.errors import TooLarge
from fhir_server.fhir.resource import Key, Stored
from fhir_server.search.planning import span_class
from fhir_server.search.record import (
    ANY_CONTAINED,
    NO_DATE,
    IndexRecord,
    inside,
    is_posted,
    packed,
    posted_terms,
)
from fhir_server.search.telling import TELLING
from fhir_server.storage.pages import Row

Document: TypeAlias = dict[str, Any]
"""What the driver gives and takes."""

RESOURCE = "resource"
HISTORY = "history"

LARGEST = 15_500_000
"""Bytes of the largest document: MongoDB takes 16 MiB."""

_CHECKED_FROM = 1_000_000
"""Bytes of a body from which on its document is measured."""

STORED = {"_id": 0, "t": 1, "i": 1, "v": 1, "m": 1, "e": 1, "b": 1}
"""What a version is answered from."""

ROW = {**STORED, "z": 1, "d": 1, "n": 1}
PLACE = {"_id": 1, "t": 1, "i": 1, "m": 1, "d": 1, "n": 1}
RECORD = {**PLACE, "z": 1}


class _Whole(TypeDecoder):
    """Gives large numbers as plain int: what encodes positions and answers knows no other."""

    bson_type = Int64

    def transform_bson(self, value: int) -> int:
        """Return a number as int."""
        return int(value)


CODEC: CodecOptions[Document] = CodecOptions(type_registry=TypeRegistry([_Whole()]))


@lru_cache(maxsize=4096)
def axis_key(kind: str, axis: str, span: int) -> str:
    """Return an axis and span class as documents have them."""
    return f"{kind}.{axis}.{span}"


def compartment_term(patient: str) -> str:
    """Return the term of all that is in a patient's compartment."""
    return f"@{patient}"


def indexed(kind: str, record: IndexRecord) -> Document:
    """Return the members by which a resource is found."""
    posted = (*posted_terms(record), *map(compartment_term, record.compartments))
    return {
        "d": record.primary,
        "c": list(record.compartments),
        "k": [*(f"{kind}.{each}" for each in posted), *_posted_inside(record)],
        "u": [each for each in record.terms if not is_posted(each)],
        "r": [
            {
                "a": axis_key(kind, each.axis, span_class(each.low, each.high)),
                "l": each.low,
                "h": each.high,
                "g": list(each.tags),
            }
            for each in record.ranges
        ],
        "p": list(record.present),
        "z": packed(record),
        **({"a": list(record.about)} if kind in TELLING else {}),
    }


def _posted_inside(record: IndexRecord) -> list[str]:
    """Return the terms of what is contained: each by its type, apart from what stands by itself."""
    return sorted(
        {
            f"{inside(kind)}.{term}"
            for kind, each in record.contained
            for term in (ANY_CONTAINED, *posted_terms(each))
        }
    )


def versioned(stored: Stored, rid: int, owner: int) -> Document:
    """Return the members of a version, what it is found by left out; raise TooLarge."""
    key = stored.key
    return {
        "_id": str(key),
        "t": key.type,
        "i": key.id,
        "v": stored.version,
        "m": stored.moment,
        "e": stored.method,
        "x": stored.deleted,
        "d": NO_DATE,
        "n": rid,
        "o": owner,
        "b": stored.body,
    }


def checked(document: Document) -> Document:
    """Return a document that MongoDB takes; raise TooLarge."""
    if len(document["b"] or b"") > _CHECKED_FROM and len(bson.encode(document)) > LARGEST:
        raise TooLarge(
            f"{document['_id']} is larger than MongoDB keeps one: {LARGEST} bytes with its index"
        )
    return document


def archived(document: Mapping[str, Any]) -> Document:
    """Return the document of a version that is no longer current."""
    kept = {name: document[name] for name in ("t", "i", "v", "m", "e", "x", "n", "o", "c", "b")}
    return {"_id": f"{document['_id']}/{document['v']}", **kept, **telling(document)}


def telling(document: Mapping[str, Any]) -> Document:
    """Return what a version says that it tells of, as the next one says it where that is a deletion."""
    return {"a": document["a"]} if "a" in document else {}


def stored_of(document: Mapping[str, Any]) -> Stored:
    """Return the version that a document holds."""
    return Stored(
        Key(document["t"], document["i"]),
        document["v"],
        document["m"],
        document["e"],
        document["b"],
    )


def row_of(document: Mapping[str, Any]) -> Row:
    """Return a found resource."""
    return Row(
        document["t"],
        document["i"],
        document["v"],
        document["m"],
        document["e"],
        document["b"],
        document["z"],
    )
