"""Stores of the property on MongoDB: each in a database, which is emptied instead of made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel, MongoClient
from pymongo.database import Database

from fhir_server.storage.contract import Store
from fhir_server.storage.mongo.opening import open_store
from fhir_server.storage.mongo.schema import INDEXES
from tests.noninterference.keeping import Clock, Held, Keep, Kept, Place, in_files, rules
from tests.support import mongo

RAW: CodecOptions[dict[str, Any]] = CodecOptions(document_class=RawBSONDocument)  # type: ignore[arg-type]
VERSION = {"n": 1, "v": 1, "t": 1, "o": 1, "b": 1, "i": 1, "a": 1}


@dataclass(frozen=True)
class InDatabase:
    """A store on MongoDB."""

    there: Database[dict[str, Any]]

    def open(self, clock: Clock) -> AbstractAsyncContextManager[Store]:
        """See Kept.open."""
        return open_store(mongo.address_of(self.there.name), clock=clock, enforcement=rules())

    def clear(self) -> None:
        """See Kept.clear."""
        known = self.there.list_collection_names()
        for name, indexes in INDEXES.items():
            if name in known:
                self.there[name].delete_many({})
                continue
            self.there.create_collection(name)
            if indexes:
                models = [IndexModel(list(keys), name=each) for each, keys in indexes.items()]
                self.there[name].create_indexes(models)

    def copy_to(self, other: Kept) -> None:
        """See Kept.copy_to."""
        assert isinstance(other, InDatabase)
        other.clear()
        for name in INDEXES:
            source, target = (
                each.there[name].with_options(codec_options=RAW) for each in (self, other)
            )
            if documents := source.find({}).to_list():
                target.insert_many(documents)

    def held(self) -> list[Held]:
        """See Kept.held."""
        current = self.there["resource"].find({}, VERSION)
        past = self.there["history"].find({}, VERSION)
        return [
            *(_held(each, 0) for each in current),
            *(_held(each, each["v"]) for each in past),
        ]

    def members(self) -> dict[int, tuple[str, ...]]:
        """See Kept.members."""
        return {each["n"]: tuple(each["members"]) for each in self.there["owner"].find({})}

    def denied(self, audience: int, at: int) -> set[tuple[int, str]]:
        """See Kept.denied."""
        assert self.there["audience"].find_one({"_id": audience}), (
            "nothing is worked out for this audience"
        )
        return {
            (each["o"], kind)
            for each in self.there["denial"].find({"a": audience, "rows": {"$exists": True}})
            for kind, since, until in each["rows"]
            if since <= at < until
        }

    def erase(self, places: Iterable[Place]) -> None:
        """See Kept.erase."""
        whole = [rid for rid, version in places if version == 0]
        past = [{"n": rid, "v": version} for rid, version in places if version]
        self.there["resource"].delete_many({"n": {"$in": whole}})
        self.there["history"].delete_many({"$or": [{"n": {"$in": whole}}, *past]})


def _held(each: dict[str, Any], version: int) -> Held:
    about = frozenset(each.get("a", ()))
    return Held(each["n"], version, each["t"], each["o"], each["b"], each["i"], about)


@contextmanager
def in_databases() -> Iterator[Keep]:
    """Keep stores on MongoDB until the block ends; what has the same name is the same database."""
    own = token_hex(4)
    names: set[str] = set()
    with MongoClient[dict[str, Any]](mongo.shared()) as client:

        def kept(name: str) -> Kept:
            database = f"test_{own}_{name}"
            names.add(database)
            return InDatabase(client[database])

        try:
            yield kept
        finally:
            for each in names:
                client.drop_database(each)


KEEPING: dict[str, Callable[[], AbstractContextManager[Keep]]] = {
    "sqlite": in_files,
    "mongo": in_databases,
}
"""What keeps stores, by backend."""
