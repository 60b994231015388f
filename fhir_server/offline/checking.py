"""Whether a store is sound, and what it takes to be so again; emptying it."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Callable,
)

from fhir_server.audit.event import Event, decoded
from fhir_server.conformance.definitions import definitions_in
from fhir_server.fhir.json import parse_resource
from fhir_server.interactions.drafting import laid_down
from fhir_server.offline.backends import upkeep_of
from fhir_server.rules import enforcement
from fhir_server.search.catalogue import unpacked
from fhir_server.search.indexing import Extractor
from fhir_server.search.record import IndexRecord
from fhir_server.settings import Settings, definitions_folder
from fhir_server.storage.parameters import Catalogue
from fhir_server.storage.upkeep import Broken, Finding, People, Progress, Reached
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


async def scrubbing(settings: Settings) -> AsyncIterator[Progress | Finding]:
    """Yield the progress of a check of the store, and what is wrong with it; raise FhirError."""
    upkeep = upkeep_of(settings)
    kept = await upkeep.catalogue()
    steps = upkeep.scrub(
        _extraction(_extractor(settings, kept)),
        unsettled=unpacked(kept.content).work,
        enforcement=enforcement(),
    )
    async for step in steps:
        yield step


def verifying(settings: Settings) -> AsyncIterator[Reached | Broken]:
    """Yield how far the audit log is sound, and the first place where it is not; raise FhirError."""
    return upkeep_of(settings).verified()


async def recorded_events(settings: Settings, *, after: int) -> AsyncIterator[tuple[int, Event]]:
    """Yield the events of the audit log that follow a number, each with its own; raise FhirError."""
    async with opened_store(settings) as store:
        while entries := await store.audit_log.entries(after, EVENTS_TOGETHER):
            for number, entry in enumerate(entries, after + 1):
                yield number, decoded(entry)
            after += len(entries)


async def reindexing(settings: Settings) -> AsyncIterator[Progress]:
    """Index the store anew and yield how far that is; raise FhirError."""
    upkeep = upkeep_of(settings)
    kept = await upkeep.catalogue()
    extractor = _extractor(settings, kept)
    people = People(enforcement(), lambda body: laid_down(parse_resource(body), extractor))
    steps = upkeep.reindex(
        _extraction(extractor),
        generation=kept.generation,
        people=people,
        zone=settings.time_zone,
    )
    async for step in steps:
        yield step


def _extractor(settings: Settings, kept: Catalogue) -> Extractor:
    """Return what makes index records by the search parameters of a store."""
    definitions = definitions_in(definitions_folder()).extended_by(
        unpacked(kept.content).additions()
    )
    return Extractor(definitions, zone=settings.time_zone, base_url=settings.fhir_base)


def _extraction(extractor: Extractor) -> Callable[[bytes], IndexRecord]:
    return lambda body: extractor.extract(parse_resource(body))


async def empty(settings: Settings) -> int:
    """Delete everything in the store; return how many resources there were. Raise FhirError."""
    return await upkeep_of(settings).empty()
