"""The documents that a transaction changes: read once, changed in memory, written together.

Operations see what those before them did; one that is refused is undone by putting back what it found. What asks
the server by a condition first has the changes written (`flush`), as it would not see them.
"""

from __future__ import annotations

from collections.abc import Iterable

from bson import Binary
from pymongo import DeleteOne, InsertOne, ReplaceOne

from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.statements import Statements, together

Id = str | int | bytes | Binary
Place = tuple[str, Id]
"""A collection, and the id of a document."""


class Workspace:
    """The documents of one transaction. They are values: who changes one puts another in its place."""

    def __init__(self, statements: Statements) -> None:
        self.statements = statements
        self._now: dict[Place, Document | None] = {}
        self._written: set[Place] = set()
        self._changed: dict[Place, None] = {}
        self._before: list[tuple[Place, Document | None]] = []

    async def load(self, collection: str, ids: Iterable[Id]) -> None:
        """Read those of these documents that are not known yet."""
        wanted = [each for each in dict.fromkeys(ids) if (collection, each) not in self._now]
        for some in together(wanted):
            self._now.update(dict.fromkeys((collection, each) for each in some))
            found = self.statements.find(collection, {"_id": {"$in": some}})
            async for document in found:
                place = collection, document["_id"]
                self._now[place] = document
                self._written.add(place)

    async def get(self, collection: str, document_id: Id) -> Document | None:
        """Return a document as it is now, None if there is none."""
        await self.load(collection, (document_id,))
        return self._now[collection, document_id]

    async def put(self, collection: str, document_id: Id, document: Document | None) -> None:
        """Put a document in place of the one that is there; None: there is none any more."""
        place = collection, document_id
        self._before.append((place, await self.get(collection, document_id)))
        self._change(place, document)

    def add(self, collection: str, document: Document) -> None:
        """Add a document whose id is new."""
        place = collection, document["_id"]
        self._before.append((place, None))
        self._change(place, document)

    @property
    def mark(self) -> int:
        """Where it is now, to go back to."""
        return len(self._before)

    def undo(self, mark: int) -> None:
        """Put back what was there at a mark."""
        while len(self._before) > mark:
            self._change(*self._before.pop())

    async def flush(self) -> None:
        """Write what was changed: conditions see it from now on."""
        session = self.statements.session
        assert session is not None or not self._changed, "what is changed belongs to a transaction"
        by_collection: dict[str, list[InsertOne[Document] | ReplaceOne[Document] | DeleteOne]] = {}
        for place in self._changed:
            request = self._request(place)
            if request is not None:
                by_collection.setdefault(place[0], []).append(request)
        for collection, requests in by_collection.items():
            await self.statements[collection].bulk_write(requests, ordered=False, session=session)
        self._changed.clear()

    def _change(self, place: Place, document: Document | None) -> None:
        self._now[place] = document
        self._changed[place] = None

    def _request(
        self, place: Place
    ) -> InsertOne[Document] | ReplaceOne[Document] | DeleteOne | None:
        document, wanted = self._now[place], {"_id": place[1]}
        if document is None:
            if place not in self._written:
                return None
            self._written.discard(place)
            return DeleteOne(wanted)
        if place in self._written:
            return ReplaceOne(wanted, document)
        self._written.add(place)
        return InsertOne(document)
