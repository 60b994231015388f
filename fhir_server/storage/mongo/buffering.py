"""The documents of a write that is no transaction: all of it is known before any of it is written.

What asks the server by a condition is also asked of the changes here. What is deleted leaves a document that says so
(`GONE`): a statement that comes late finds it, and does not bring back what was there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, NoReturn, Self

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.fhir.errors import NotSupported
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.schema import Fields
from fhir_server.storage.mongo.statements import Rows, Statements
from fhir_server.storage.mongo.workspace import Id, Workspace

GONE = "gone"
TICK = "w"
"""The member of each document that tells by which write it was made."""

DELETED = frozenset({"person", "fact", "audience", "denial"})
"""The collections from which writes delete."""

_MISSING = object()


class Change(NamedTuple):
    """A document to be put in place of the one that is there; None: there is to be none."""

    collection: str
    id: Id
    document: Document | None


class Living(Statements):
    """Reads that leave out what is gone."""

    def find(  # noqa: PLR0913 - as Statements has it
        self,
        collection: str,
        wanted: Document,
        members: Mapping[str, int] | None = None,
        *,
        order: Fields = (),
        limit: int = 0,
        hint: str | None = None,
    ) -> Rows:
        """See Statements.find."""
        there = _there(collection, wanted)
        return super().find(collection, there, members, order=order, limit=limit, hint=hint)

    async def one(
        self, collection: str, wanted: Document, members: Mapping[str, int] | None = None
    ) -> Document | None:
        """See Statements.one."""
        return await super().one(collection, _there(collection, wanted), members)


def _there(collection: str, wanted: Document) -> Document:
    return {**wanted, GONE: None} if collection in DELETED else wanted


class Buffered(Workspace):
    """A workspace that writes nothing: `changes` are what is to be written."""

    def __init__(self, database: AsyncDatabase[Document], *, seconds: float) -> None:
        super().__init__(Overlaid(database, self._changed_in, seconds=seconds))
        self._by_collection: dict[str, dict[Id, Document | None]] = {}

    async def load(self, collection: str, ids: Iterable[Id]) -> None:
        """See Workspace.load."""
        ids = list(ids)
        await super().load(collection, ids)
        for each in ids:
            document = self._now[collection, each]
            if document is not None:
                document.pop(TICK, None)

    async def flush(self) -> None:
        """Write nothing: conditions see what was changed as it is."""

    def changes(self) -> list[Change]:
        """Return what is to be written."""
        return [
            Change(collection, each, document)
            for collection, changed in self._by_collection.items()
            for each, document in changed.items()
            if document is not None or (collection, each) in self._written
        ]

    def _changed_in(self, collection: str) -> Mapping[Id, Document | None]:
        return self._by_collection.get(collection, {})

    def _change(self, place: tuple[str, Id], document: Document | None) -> None:
        self._now[place] = document
        self._by_collection.setdefault(place[0], {})[place[1]] = document


class Overlaid(Living):
    """Reads that see what was changed here, and is not written yet."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        changed_in: Callable[[str], Mapping[Id, Document | None]],
        *,
        seconds: float,
    ) -> None:
        super().__init__(database, seconds=seconds)
        self._changed_in = changed_in

    async def one(
        self, collection: str, wanted: Document, members: Mapping[str, int] | None = None
    ) -> Document | None:
        """See Statements.one."""
        found = await self.find(collection, wanted, members, limit=1).to_list()
        return found[0] if found else None

    def find(  # noqa: PLR0913 - as Statements has it
        self,
        collection: str,
        wanted: Document,
        members: Mapping[str, int] | None = None,
        *,
        order: Fields = (),
        limit: int = 0,
        hint: str | None = None,
    ) -> Rows:
        """See Statements.find; raise NotSupported for a condition that is not understood here."""
        changed = self._changed_in(collection)
        if not changed:
            return super().find(collection, wanted, members, order=order, limit=limit, hint=hint)
        # All members: what is sorted here may be sorted by others than are asked for.
        there = super().find(collection, wanted, hint=hint)
        return _Merged(_merged(there, wanted, changed, order=order, limit=limit))

    async def count(
        self, collection: str, wanted: Document, *, limit: int = 0, hint: str | None = None
    ) -> int:
        """See Statements.count; raise NotSupported where that was changed here."""
        self._check_unchanged(collection)
        return await super().count(collection, wanted, limit=limit, hint=hint)

    async def distinct(self, collection: str, member: str, wanted: Document) -> list[Any]:
        """See Statements.distinct; raise NotSupported where that was changed here."""
        self._check_unchanged(collection)
        return list(await super().distinct(collection, member, wanted))

    def _check_unchanged(self, collection: str) -> None:
        if self._changed_in(collection):
            _refuse()


class _Merged:
    """Rows that were found here and there."""

    def __init__(self, found: Awaitable[list[Document]]) -> None:
        self._found = found

    async def __aiter__(self) -> AsyncIterator[Document]:
        for each in await self._found:
            yield each

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to close."""

    async def to_list(self) -> list[Document]:
        return await self._found


async def _merged(
    there: Rows,
    wanted: Document,
    changed: Mapping[Id, Document | None],
    *,
    order: Fields,
    limit: int,
) -> list[Document]:
    found = [each for each in await there.to_list() if each["_id"] not in changed]
    found += [each for each in changed.values() if each is not None and satisfies(each, wanted)]
    for name, direction in reversed(order):
        found.sort(key=lambda each: each[name], reverse=direction < 0)
    return found[:limit] if limit else found


def satisfies(document: Document, wanted: Document) -> bool:
    """Tell whether a document meets a condition as MongoDB has it; raise NotSupported for any but the plainest."""
    return all(_holds(_member(document, name), each) for name, each in wanted.items())


def _member(document: Document, path: str) -> Any:
    if path.startswith("$"):
        _refuse()
    name, _, place = path.partition(".")
    value = document.get(name, _MISSING)
    if not place:
        return value
    if not place.isdigit():
        _refuse()
    return value[int(place)] if isinstance(value, list) and int(place) < len(value) else _MISSING


def _holds(value: Any, condition: Any) -> bool:
    match condition:
        case {"$in": wanted, **rest} if not rest:
            each = value if isinstance(value, list) else [value]
            return any(one in wanted for one in each)
        case {"$exists": bool(wanted), **rest} if not rest:
            return (value is not _MISSING) == wanted
        case dict():
            return _refuse()
        case _:
            return bool(value == condition or (isinstance(value, list) and condition in value))


def _refuse() -> NoReturn:
    raise NotSupported(
        "This depends on what is written together with it, and a standalone MongoDB has no transactions: "
        "send it after what it depends on"
    )
