"""Small values by kind and key: each method is one statement on one document."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_bytes

from bson import Binary
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.failures import answered

KEY_VALUE = "keyvalue"

BETWEEN_SWEEPS = 60_000_000
"""Microseconds between two times that what has expired is removed."""


class MongoKeyValues:
    """KeyValues in the database of a store: see `fhir_server.storage.keyvalues.KeyValues`."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._values = database[KEY_VALUE]
        self._swept = 0

    async def get(self, kind: str, key: str, *, now: int) -> bytes | None:
        """See KeyValues.get."""
        async with answered():
            return _value(await self._values.find_one(_good(kind, key, now)))

    async def items(self, kind: str, *, now: int) -> Sequence[tuple[str, bytes]]:
        """See KeyValues.items."""
        wanted = {"kind": kind, "expires": _after(now)}
        async with answered():
            found = await self._values.find(wanted).sort("key").to_list()
        return [(each["key"], each["value"]) for each in found]

    async def put(  # noqa: PLR0913 - as KeyValues has it
        self,
        kind: str,
        key: str,
        value: bytes,
        *,
        now: int,
        expires: int | None = None,
        durable: bool = True,  # noqa: ARG002 - a majority is asked for either way
    ) -> None:
        """See KeyValues.put."""
        async with answered():
            await self._sweep(now)
            kept = made(kind, key, value, expires)
            await self._values.replace_one({"_id": kept["_id"]}, kept, upsert=True)

    async def add(
        self, kind: str, key: str, value: bytes, *, now: int, expires: int | None = None
    ) -> bool:
        """See KeyValues.add."""
        kept = made(kind, key, value, expires)
        expired = {"_id": kept["_id"], "expires": {"$lte": now}}
        async with answered():
            await self._sweep(now)
            try:
                # Where one is there that has not expired, this finds none, and cannot insert a second.
                await self._values.replace_one(expired, kept, upsert=True)
            except DuplicateKeyError:
                return False
        return True

    async def replace(  # noqa: PLR0913 - as KeyValues has it
        self, kind: str, key: str, old: bytes, new: bytes, *, now: int, expires: int | None = None
    ) -> bool:
        """See KeyValues.replace."""
        there = {**_good(kind, key, now), "value": Binary(old)}
        async with answered():
            await self._sweep(now)
            done = await self._values.replace_one(there, made(kind, key, new, expires))
        return done.matched_count == 1

    async def take(self, kind: str, key: str, *, now: int) -> bytes | None:
        """See KeyValues.take."""
        async with answered():
            return _value(await self._values.find_one_and_delete(_good(kind, key, now)))

    async def remove(self, kind: str, key: str) -> None:
        """See KeyValues.remove."""
        async with answered():
            await self._values.delete_one({"_id": _id(kind, key)})

    async def _sweep(self, now: int) -> None:
        """Remove what has expired, now and then."""
        if abs(now - self._swept) > BETWEEN_SWEEPS:
            self._swept = now
            await self._values.delete_many({"expires": {"$lte": now}})


async def secret_of(database: AsyncDatabase[Document], name: str) -> bytes:
    """Return 32 random bytes that belong to this store, made when first asked for."""
    made = {"$setOnInsert": {"value": Binary(token_bytes(32))}}
    await database["secret"].update_one({"_id": name}, made, upsert=True)
    found = await database["secret"].find_one({"_id": name})
    assert found is not None, "it was just made"
    return bytes(found["value"])


def _id(kind: str, key: str) -> str:
    return f"{kind}/{key}"


def _good(kind: str, key: str, now: int) -> Document:
    return {"_id": _id(kind, key), "expires": _after(now)}


def _after(now: int) -> Document:
    """Return the condition of what expires later, or never: that is null, which is no number."""
    return {"$not": {"$lte": now}}


def made(kind: str, key: str, value: bytes, expires: int | None) -> Document:
    """Return the document of a value."""
    own = {"_id": _id(kind, key), "kind": kind, "key": key}
    return {**own, "value": Binary(value), "expires": expires}


def _value(found: Document | None) -> bytes | None:
    return None if found is None else found["value"]
