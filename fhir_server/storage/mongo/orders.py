"""Orders that the server can give, and where a page of them goes on.

The primary date, the moment and the id are members of each document; other keys are told by its index record, and
sorted here (`searching`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.search.expression import SortKey
from fhir_server.search.ordering import PRIMARY, Order, SortValue, primary_key
from fhir_server.search.record import NO_DATE
from fhir_server.storage.mongo.conditions import both
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.schema import BY_ID, BY_MOMENT, BY_TYPE, Fields

_MEMBERS = {"_lastUpdated": "m", "_id": "i"}
_INDEXES = {"m": BY_MOMENT, "i": BY_ID}


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of an order: the documents that satisfy the condition, by these members."""

    condition: Document
    members: Fields

    @property
    def index(self) -> str:
        """The index that is in this order, for what nothing else leads to."""
        return _INDEXES.get(self.members[0][0], BY_TYPE)


def member_of(key: SortKey) -> str | None:
    """Return the member that a key sorts by, None where the index record tells."""
    return "d" if key.kind == PRIMARY else _MEMBERS.get(key.parameter)


def is_served(keys: Sequence[SortKey]) -> bool:
    """Tell whether the server can give this order: what has no date is last, so by rising date only as the first key."""
    rising = [each.kind == PRIMARY and not each.descending for each in keys]
    return all(map(member_of, keys)) and not any(rising[1:])


def value_of(key: SortKey, document: Document) -> SortValue:
    """Return the value that a document has for a served key."""
    value: SortValue = document[member_of(key) or ""]
    return None if key.kind == PRIMARY and value == NO_DATE else value


def runs(keys: Sequence[SortKey], after: Order | None) -> Iterator[Run]:
    """Yield the stretches of a served order that follow a position."""
    first, main = keys[0], primary_key(tuple(keys))
    members = [(member_of(each) or "", -1 if each.descending else 1) for each in keys]
    members.append(("n", -1 if main is None or main.descending else 1))
    values = None if after is None else after.values
    if first.kind != PRIMARY or first.descending:
        yield Run(_behind(members, values), members)
        return
    is_dated = values is None or values[0] is not None
    if is_dated:
        yield Run(both({"d": {"$gt": NO_DATE}}, _behind(members, values)), members)
    rest = None if values is None or is_dated else values[1:]
    yield Run(both({"d": NO_DATE}, _behind(members[1:], rest)), members[1:])


def _behind(members: Fields, values: Sequence[SortValue] | None) -> Document:
    """Return the condition of what follows a position: the first member that differs decides."""
    if values is None:
        return {}
    alternatives: list[Document] = []
    equal: Document = {}
    for (member, direction), each in zip(members, values, strict=True):
        value = NO_DATE if each is None else each
        beyond: dict[str, Any] = {"$lt": value} if direction < 0 else {"$gt": value}
        alternatives.append({**equal, member: beyond})
        equal = {**equal, member: value}
    return {"$or": alternatives}
