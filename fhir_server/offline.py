"""What the commands do to a store without a server: load, fill with a demonstration, check, empty."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from fhir_server.bulk.loading import Batch, Loader, Tally, batches, prepared, worker_count, workers
from fhir_server.bulk.preparing import Rejected, preparation
from fhir_server.bulk.reporting import Reporter
from fhir_server.bulk.resumption import State
from fhir_server.bulk.sending import Sender
from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.demonstration.generation import platform
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.drafting import prepare
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.transaction import transaction
from fhir_server.policy.visibility import Visibility
from fhir_server.search.indexing import Extractor
from fhir_server.search.record import IndexRecord
from fhir_server.settings import PREFIX, Settings, definitions_folder
from fhir_server.storage.contract import Put, Store
from fhir_server.storage.sqlite.emptying import empty_store
from fhir_server.storage.sqlite.reindexing import reindex
from fhir_server.storage.sqlite.scrub import Finding, Progress, scrub
from fhir_server.storage.sqlite.store import open_store
from fhir_server.wiring import clock, new_id

__all__ = [
    "Finding",
    "Progress",
    "empty",
    "load_demonstration",
    "load_into_store",
    "reindexing",
    "scrubbing",
    "send_to_server",
]

SECONDS_TO_ANSWER = 60
DEMONSTRATION_SEED = 1


async def load_into_store(  # noqa: PLR0913 - options, each by keyword
    settings: Settings,
    sources: Sequence[Path],
    *,
    report: Reporter,
    tally: Tally,
    processes: int | None = None,
    keep_invalid: bool = False,
) -> None:
    """Load files into the store; go on where a load of them was cut off. Raise FhirError or OSError."""
    path = settings.store_path
    path.parent.mkdir(parents=True, exist_ok=True)
    state = State.at(path.with_name(path.name + ".load.json"))
    base_url = _base_url(settings)
    number = worker_count(processes)
    folder = definitions_folder()

    def done(batch: Batch, problems: Sequence[Rejected]) -> None:
        report(batch.source, problems)
        state.reached(batch.source, batch.items[-1].line, len(batch.items))

    async with open_store(path, clock=clock) as store:
        loader = Loader(store, _transact(store, base_url), done, tally)
        with workers(number, folder, base_url, keep_invalid=keep_invalid) as pool:
            await loader.run(prepared(pool, number, batches(sources, state)))
    state.finished()


def _base_url(settings: Settings) -> str:
    """Return the FHIR base of the server that the store belongs to: what is below it is local."""
    return settings.base_url or settings.origin + PREFIX


def _transact(store: Store, base_url: str) -> Callable[[Resource], Awaitable[int]]:
    """Return what does a transaction Bundle as a whole and counts the resources it wrote."""
    known = definitions_in(definitions_folder())
    call = Call(
        store=store,
        definitions=known,
        validator=Validator(known),
        extractor=Extractor(known, base_url=base_url),
        sight=Visibility.everything("load"),
        new_id=new_id,
        base_url=base_url,
        now=clock(),
    )

    async def transact(bundle: Resource) -> int:
        results = await transaction(call, bundle, most=100_000)
        return sum(isinstance(each.outcome, Saved) and each.outcome.changed for each in results)

    return transact


async def load_demonstration(settings: Settings, *, patients: int, trusts: int) -> int:
    """Load the synthetic platform, as of today, and return how many resources it has; raise FhirError."""
    today = datetime.fromtimestamp(clock() / 1_000_000, UTC).date()
    path = settings.store_path
    path.parent.mkdir(parents=True, exist_ok=True)
    made_with = preparation(definitions_folder(), _base_url(settings))
    resources = platform(seed=DEMONSTRATION_SEED, trusts=trusts, patients=patients, today=today)
    async with open_store(path, clock=clock) as store:
        puts = [
            Put(prepare(made_with, each, Key(each["resourceType"], each["id"])))
            for each in resources
        ]
        await store.write(puts, atomic=False)
    return len(puts)


async def send_to_server(
    url: str, sources: Sequence[Path], *, report: Reporter, tally: Tally
) -> None:
    """Load files into a running server; raise FhirError where it does not answer."""
    # No state file: to send again is harmless, and the server may not be the same.
    nothing_done = State(Path())
    async with httpx2.AsyncClient(timeout=SECONDS_TO_ANSWER) as client:
        sender = Sender(client, url.rstrip("/"), tally)
        for batch in batches(sources, nothing_done):
            report(batch.source, await sender.send(batch))


def scrubbing(settings: Settings) -> Iterator[Progress | Finding]:
    """Yield the progress of a check of the store, and what is wrong with it; raise FhirError."""
    yield from scrub(settings.store_path, _extraction(settings))


def reindexing(settings: Settings) -> Iterator[Progress]:
    """Index the store anew and yield how far that is; raise FhirError."""
    yield from reindex(settings.store_path, _extraction(settings))


def _extraction(settings: Settings) -> Callable[[bytes], IndexRecord]:
    """Return what makes the index record of a body."""
    extractor = Extractor(definitions_in(definitions_folder()), base_url=_base_url(settings))
    return lambda body: extractor.extract(parse_resource(body))


def empty(settings: Settings) -> int:
    """Delete everything in the store; return how many resources there were. Raise FhirError."""
    return empty_store(settings.store_path)
