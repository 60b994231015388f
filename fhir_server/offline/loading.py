"""Files, or the synthetic platform, into a store; files into a running server."""

from __future__ import annotations

from collections.abc import (
    Awaitable,
    Callable,
    Sequence,
)
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import httpx2

from fhir_server.bulk.garbage import collected_seldom
from fhir_server.bulk.loading import Batch, Loader, Tally, batches, prepared, worker_count, workers
from fhir_server.bulk.preparing import Rejected, indexing_by, preparation
from fhir_server.bulk.putting import parameters_in, put_all
from fhir_server.bulk.reporting import Reporter
from fhir_server.bulk.resumption import State
from fhir_server.bulk.sending import Sender
from fhir_server.catalogue.backfill import Backfill
from fhir_server.catalogue.register import InForce, Register, opened_register
from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.demonstration.generation import platform
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.drafting import prepare
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.transaction import transaction
from fhir_server.offline.telling import tell
from fhir_server.policy.visibility import Visibility
from fhir_server.rules import enforcement
from fhir_server.search.indexing import Extractor
from fhir_server.settings import Settings, definitions_folder, parameters_folder
from fhir_server.storage.contract import Store
from fhir_server.wiring import clock, new_id, opened_store

SECONDS_TO_ANSWER = 60
DEMONSTRATION_SEED = 1
MOST = 100_000
"""Entries of a transaction that is loaded."""


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
    state = State.at(_state_file(settings))
    base_url = settings.fhir_base
    number = worker_count(processes)
    folder = definitions_folder()

    def done(batch: Batch, problems: Sequence[Rejected]) -> None:
        report(batch.source, problems)
        state.reached(batch.source, batch.items[-1].line, len(batch.items))

    async with opened_store(settings, enforcement()) as store:
        register = await register_on(store, settings)
        loader = Loader(store, register, _transact(store, register, base_url), done, tally)
        await tell(store, f"{len(sources)} files are being loaded")
        with workers(
            number, folder, base_url, settings.time_zone, keep_invalid=keep_invalid
        ) as pool:
            found = batches(sources, state)
            stream = prepared(pool, number, found, lambda: parameters_in(register.current))
            with collected_seldom():
                await loader.run(stream)
        await tell(store, f"{tally.written} resources were loaded")
    state.finished()


async def register_on(store: Store, settings: Settings) -> Register:
    """Return the search parameters in force on a store; a new one has those that are shipped at once."""
    extractor = Extractor(
        definitions_in(definitions_folder()),
        zone=settings.time_zone,
        base_url=settings.fhir_base,
    )
    register = await opened_register(store, extractor, parameters_folder())
    backfill = Backfill(store, register, new_id())
    if not await store.now():
        while await backfill.step(clock()):
            pass
    return register


def _transact(
    store: Store, register: Register, base_url: str
) -> Callable[[Resource], Awaitable[int]]:
    """Return what does a transaction Bundle as a whole and counts the resources it wrote."""
    validator = Validator(definitions_in(definitions_folder()))

    async def transact(bundle: Resource) -> int:
        results = await register.settled(lambda force: transaction(call(force), bundle, most=MOST))
        return sum(isinstance(each.outcome, Saved) and each.outcome.changed for each in results)

    def call(force: InForce) -> Call:
        return Call(
            store=store,
            definitions=force.definitions,
            validator=validator,
            extractor=force.extractor,
            sight=Visibility.everything("load"),
            new_id=new_id,
            base_url=base_url,
            now=clock(),
        )

    return transact


def _state_file(settings: Settings) -> Path:
    """Return where it is noted how far a load has come."""
    if settings.is_in_a_file:
        path = settings.store_path
    else:
        digest = blake2b(settings.store_name.encode(), digest_size=4).hexdigest()
        path = Path("data", f"mongo-{digest}").absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(path.name + ".load.json")


async def load_demonstration(
    settings: Settings, *, patients: int, trusts: int, only: int | None = None
) -> int:
    """Load the synthetic platform as of today, or one of its trusts; return how many resources that has. Raise FhirError."""
    today = datetime.fromtimestamp(clock() / 1_000_000, UTC).date()
    made_with = preparation(definitions_folder(), settings.fhir_base, settings.time_zone)
    resources = platform(
        seed=DEMONSTRATION_SEED, trusts=trusts, patients=patients, today=today, only=only
    )
    async with opened_store(settings, enforcement()) as store:
        register = await register_on(store, settings)
        made_with = indexing_by(made_with, parameters_in(register.current))
        drafts = [
            prepare(made_with, each, Key(each["resourceType"], each["id"])) for each in resources
        ]
        await put_all(store, register, drafts)
    return len(drafts)


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
