"""The backend of a store, for what is done to it without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from fhir_server.fhir.errors import Unavailable
from fhir_server.settings import Settings
from fhir_server.storage.moving import Giving, Taking
from fhir_server.storage.sqlite import giving as sqlite_giving
from fhir_server.storage.sqlite import taking as sqlite_taking


def giving_from(settings: Settings) -> AbstractAsyncContextManager[Giving]:
    """Open a store to read its rows; raise Unavailable."""
    if settings.is_in_a_file:
        return sqlite_giving.giving(settings.store_path)
    with _pymongo():
        from fhir_server.storage.mongo import giving  # noqa: PLC0415 - a node on SQLite needs none
    return giving.giving(settings.store)


def taking_into(settings: Settings) -> AbstractAsyncContextManager[Taking]:
    """Open a store that becomes a copy; raise Unavailable."""
    if settings.is_in_a_file:
        return sqlite_taking.taking(settings.store_path)
    with _pymongo():
        from fhir_server.storage.mongo import taking  # noqa: PLC0415 - a node on SQLite needs none
    return taking.taking(settings.store)


@contextmanager
def _pymongo() -> Iterator[None]:
    """Raise Unavailable where the driver is not installed."""
    try:
        yield
    except ImportError:
        raise Unavailable("PyMongo is not installed: pip install 'fhir-server[mongo]'") from None
