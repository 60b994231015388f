"""The store that the settings name, in a file or on MongoDB."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fhir_server.fhir.errors import Unavailable
from fhir_server.policy.decision import Enforcement
from fhir_server.settings import Settings
from fhir_server.storage.contract import Store
from fhir_server.storage.sqlite.store import open_store


def store_of(
    settings: Settings, rules: Enforcement | None, clock: Callable[[], int]
) -> AbstractAsyncContextManager[Store]:
    """Open the store that the settings name; raise Unavailable. Without `rules` no denials are kept."""
    if settings.is_in_a_file:
        path = settings.store_path
        path.parent.mkdir(parents=True, exist_ok=True)
        return open_store(
            path,
            clock=clock,
            seconds=settings.search_seconds,
            enforcement=rules,
            zone=settings.time_zone,
        )
    try:
        # Here, since a node on SQLite needs none of it, and would start later.
        from fhir_server.storage.mongo import opening  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        if missing.name not in {"pymongo", "bson"}:
            raise
        raise Unavailable("PyMongo is not installed: pip install 'fhir-server[mongo]'") from None
    return opening.open_store(
        settings.store,
        clock=clock,
        seconds=settings.search_seconds,
        enforcement=rules,
        zone=settings.time_zone,
        single_writes=settings.single_writes,
    )
