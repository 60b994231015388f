"""The backend of a store, for what is done to it without a server."""

from __future__ import annotations

from fhir_server.fhir.errors import Unavailable
from fhir_server.settings import Settings
from fhir_server.storage.sqlite.upkeep import SQLiteUpkeep
from fhir_server.storage.upkeep import Upkeep


def upkeep_of(settings: Settings) -> Upkeep:
    """Return what is done to the store that the settings name; raise Unavailable without its driver."""
    if settings.is_in_a_file:
        return SQLiteUpkeep(settings.store_path)
    try:
        # Here, since a store in a file needs none of it.
        from fhir_server.storage.mongo.upkeep import MongoUpkeep  # noqa: PLC0415
    except ImportError:
        raise Unavailable("PyMongo is not installed: pip install 'fhir-server[mongo]'") from None
    return MongoUpkeep(settings.store, single_writes=settings.single_writes)
