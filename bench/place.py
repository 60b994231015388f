"""Where benchmarks keep their stores: in files of a folder, or on a MongoDB in databases of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from fhir_server.policy.decision import Enforcement
from fhir_server.settings import Settings
from fhir_server.storage.contract import Store
from fhir_server.wiring import opened_store

SQLITE = "sqlite:"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder; with `mongo`, the address of a MongoDB, databases there whose names begin with the one it names."""

    folder: Path
    mongo: str | None = None

    def address(self, name: str) -> str:
        """Return the address of a store, as FHIR_STORE has it; it may hold a password."""
        if self.mongo is None:
            return f"{SQLITE}{self.folder / name}.db"
        parts = urlsplit(self.mongo)
        return urlunsplit(parts._replace(path=f"/{parts.path.strip('/') or 'bench'}_{name}"))

    def holds(self, name: str) -> bool:
        """Tell whether a store is there."""
        if self.mongo is None:
            return self.file(name).exists()
        return bool(_names(self.address(name)))

    def remove(self, name: str) -> None:
        """Remove a store."""
        if self.mongo is not None:
            _drop(self.address(name))
            return
        for each in self.folder.glob(f"{name}.db*"):
            each.unlink()

    def file(self, name: str) -> Path:
        """Return the file of a store that is in one."""
        return self.folder / f"{name}.db"


def disk(address: str) -> float:
    """Return what a store takes, in gigabytes; 0 where the server does not tell."""
    if address.startswith(SQLITE):
        return Path(address.removeprefix(SQLITE)).stat().st_size / 1e9
    from pymongo import MongoClient  # noqa: PLC0415 - SQLite is measured without it

    with MongoClient[dict[str, float]](address) as client:
        told = client.get_default_database().command("dbStats")
    return float(told.get("storageSize", 0) + told.get("indexSize", 0)) / 1e9


@asynccontextmanager
async def opened(address: str, rules: Enforcement | None = None) -> AsyncIterator[Store]:
    """Open a store as a node does."""
    async with opened_store(Settings(store=address, auth="none"), rules) as store:
        yield store


def _names(address: str) -> list[str]:
    from pymongo import MongoClient  # noqa: PLC0415 - SQLite is measured without it

    with MongoClient[dict[str, object]](address) as client:
        return client.get_default_database().list_collection_names()


def _drop(address: str) -> None:
    from pymongo import MongoClient  # noqa: PLC0415 - SQLite is measured without it

    with MongoClient[dict[str, object]](address) as client:
        client.drop_database(client.get_default_database().name)
