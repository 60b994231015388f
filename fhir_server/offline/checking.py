"""Whether a store is sound, and what it takes to be so again; emptying it."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Callable,
    Iterator,
)

from fhir_server.audit.event import Event, decoded
from fhir_server.conformance.definitions import definitions_in
from fhir_server.fhir.json import parse_resource
from fhir_server.interactions.drafting import laid_down
from fhir_server.rules import enforcement
from fhir_server.search.catalogue import unpacked
from fhir_server.search.indexing import Extractor
from fhir_server.search.record import IndexRecord
from fhir_server.settings import Settings, definitions_folder
from fhir_server.storage.parameters import Catalogue
from fhir_server.storage.sqlite.cataloguing import catalogue_in
from fhir_server.storage.sqlite.emptying import empty_store
from fhir_server.storage.sqlite.reindexing import People, reindex
from fhir_server.storage.sqlite.scrub import Finding, Progress, scrub
from fhir_server.storage.sqlite.verifying import Broken, Reached, verified
from fhir_server.wiring import opened_store

__all__ = [
    "Broken",
    "Finding",
    "Progress",
    "Reached",
    "empty",
    "recorded_events",
    "reindexing",
    "scrubbing",
    "verifying",
]

EVENTS_TOGETHER = 1_000


def scrubbing(settings: Settings) -> Iterator[Progress | Finding]:
    """Yield the progress of a check of the store, and what is wrong with it; raise FhirError."""
    kept = catalogue_in(settings.store_path)
    unsettled = unpacked(kept.content).work
    yield from scrub(
        settings.store_path,
        _extraction(_extractor(settings, kept)),
        unsettled=unsettled,
        enforcement=enforcement(),
    )


def verifying(settings: Settings) -> Iterator[Reached | Broken]:
    """Yield how far the audit log is sound, and the first place where it is not; raise FhirError."""
    yield from verified(settings.store_path)


async def recorded_events(settings: Settings, *, after: int) -> AsyncIterator[tuple[int, Event]]:
    """Yield the events of the audit log that follow a number, each with its own; raise FhirError."""
    async with opened_store(settings) as store:
        while entries := await store.audit_log.entries(after, EVENTS_TOGETHER):
            for number, entry in enumerate(entries, after + 1):
                yield number, decoded(entry)
            after += len(entries)


def reindexing(settings: Settings) -> Iterator[Progress]:
    """Index the store anew and yield how far that is; raise FhirError."""
    kept = catalogue_in(settings.store_path)
    extractor = _extractor(settings, kept)
    people = People(enforcement(), lambda body: laid_down(parse_resource(body), extractor))
    yield from reindex(
        settings.store_path,
        _extraction(extractor),
        generation=kept.generation,
        people=people,
        zone=settings.time_zone,
    )


def _extractor(settings: Settings, kept: Catalogue) -> Extractor:
    """Return what makes index records by the search parameters of a store."""
    definitions = definitions_in(definitions_folder()).extended_by(
        unpacked(kept.content).additions()
    )
    return Extractor(definitions, zone=settings.time_zone, base_url=settings.fhir_base)


def _extraction(extractor: Extractor) -> Callable[[bytes], IndexRecord]:
    return lambda body: extractor.extract(parse_resource(body))


def empty(settings: Settings) -> int:
    """Delete everything in the store; return how many resources there were. Raise FhirError."""
    return empty_store(settings.store_path)
