"""What the commands do to a store without a server: load, fill with a demonstration, check, empty."""

from __future__ import annotations

import os
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Sequence,
)
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from getpass import getuser
from hashlib import blake2b
from pathlib import Path

import httpx2

from fhir_server.audit.event import Agent, Event, decoded, encoded
from fhir_server.auth.server.server import (
    AuthorizationServer,
    authorization_server,
    new_secret,
)
from fhir_server.auth.server.signing import SECRET
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
from fhir_server.demonstration.accounts import accounts
from fhir_server.demonstration.generation import platform
from fhir_server.federating import transport_to
from fhir_server.federation.hub import declared
from fhir_server.federation.members import Capabilities, Member
from fhir_server.federation.registry import Registry
from fhir_server.federation.transport import Failed, Transport
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.drafting import laid_down, prepare
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.transaction import transaction
from fhir_server.policy.visibility import Visibility
from fhir_server.rules import enforcement
from fhir_server.search.catalogue import unpacked
from fhir_server.search.indexing import Extractor
from fhir_server.search.record import IndexRecord
from fhir_server.settings import PREFIX, Settings, definitions_folder, parameters_folder
from fhir_server.storage.contract import OptOuts, Store
from fhir_server.storage.parameters import Catalogue
from fhir_server.storage.sqlite.cataloguing import catalogue_in
from fhir_server.storage.sqlite.emptying import empty_store
from fhir_server.storage.sqlite.reindexing import People, reindex
from fhir_server.storage.sqlite.scrub import Finding, Progress, scrub
from fhir_server.storage.sqlite.verifying import Broken, Reached, verified
from fhir_server.wiring import clock, new_id, opened_store, site_of

__all__ = [
    "Broken",
    "Finding",
    "Progress",
    "Reached",
    "add_member",
    "authorization",
    "check_members",
    "demonstration_passwords",
    "empty",
    "load_demonstration",
    "load_into_store",
    "load_opt_outs",
    "members_of",
    "opt_outs",
    "recorded_events",
    "reindexing",
    "remove_member",
    "scrubbing",
    "send_to_server",
    "verifying",
]

SECONDS_TO_ANSWER = 60
DEMONSTRATION_SEED = 1
EVENTS_TOGETHER = 1_000
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
    base_url = _base_url(settings)
    number = worker_count(processes)
    folder = definitions_folder()

    def done(batch: Batch, problems: Sequence[Rejected]) -> None:
        report(batch.source, problems)
        state.reached(batch.source, batch.items[-1].line, len(batch.items))

    async with opened_store(settings, enforcement()) as store:
        register = await _opened(store, settings)
        loader = Loader(store, register, _transact(store, register, base_url), done, tally)
        await _tell(store, f"{len(sources)} files are being loaded")
        with workers(
            number, folder, base_url, settings.time_zone, keep_invalid=keep_invalid
        ) as pool:
            found = batches(sources, state)
            stream = prepared(pool, number, found, lambda: parameters_in(register.current))
            await loader.run(stream)
        await _tell(store, f"{tally.written} resources were loaded")
    state.finished()


async def _tell(store: Store, note: str) -> None:
    """Log what a command does, where the log has begun: of a store that is served with audit."""
    if (await store.audit_log.extent()).last:
        event = Event(clock(), "load", agent=_person(), note=note)
        await store.audit_log.append(encoded(event), durable=True)


def _person() -> Agent:
    try:
        name = getuser()
    except (KeyError, OSError):
        # A container may run as a number that has no name.
        name = str(os.getuid())
    return Agent("urn:fhir-server:command-line", name)


async def _opened(store: Store, settings: Settings) -> Register:
    """Return the search parameters in force on a store; a new one has those that are shipped at once."""
    extractor = Extractor(
        definitions_in(definitions_folder()),
        zone=settings.time_zone,
        base_url=_base_url(settings),
    )
    register = await opened_register(store, extractor, parameters_folder())
    backfill = Backfill(store, register, new_id())
    if not await store.now():
        while await backfill.step(clock()):
            pass
    return register


def _base_url(settings: Settings) -> str:
    """Return the FHIR base of the server that the store belongs to: what is below it is local."""
    return settings.base_url or settings.origin + PREFIX


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


async def load_demonstration(settings: Settings, *, patients: int, trusts: int) -> int:
    """Load the synthetic platform, as of today, and return how many resources it has; raise FhirError."""
    today = datetime.fromtimestamp(clock() / 1_000_000, UTC).date()
    made_with = preparation(definitions_folder(), _base_url(settings), settings.time_zone)
    resources = platform(seed=DEMONSTRATION_SEED, trusts=trusts, patients=patients, today=today)
    async with opened_store(settings, enforcement()) as store:
        register = await _opened(store, settings)
        made_with = indexing_by(made_with, parameters_in(register.current))
        drafts = [
            prepare(made_with, each, Key(each["resourceType"], each["id"])) for each in resources
        ]
        await put_all(store, register, drafts)
    return len(drafts)


async def demonstration_passwords(settings: Settings) -> Sequence[tuple[str, str]]:
    """Give the people of the synthetic platform new passwords, and return these by name; raise FhirError."""
    given = [(each, new_secret()[:20]) for each in accounts()]
    async with authorization(settings) as server:
        for user, password in given:
            await server.accounts.remove(user.subject, now=clock())
            await server.accounts.add(user.subject, password, user, now=clock())
    return [(user.subject, password) for user, password in given]


async def load_opt_outs(settings: Settings, numbers: Collection[str], *, as_of: int) -> OptOuts:
    """Put a register of NHS numbers in place of the one in the store; raise FhirError."""
    async with opened_store(settings, enforcement()) as store:
        known = await store.replace_opt_outs(numbers, as_of=as_of)
        await _tell(store, f"a register of {known.number} opt-outs was loaded")
        return known


async def opt_outs(settings: Settings) -> OptOuts | None:
    """Return what register of opt-outs the store has; raise FhirError."""
    async with opened_store(settings) as store:
        return await store.opt_outs()


@asynccontextmanager
async def authorization(settings: Settings) -> AsyncIterator[AuthorizationServer]:
    """Yield the authorization server of the store, which may be in use; made if absent. Raise FhirError."""
    async with opened_store(settings) as store:
        yield authorization_server(
            site_of(settings),
            store.key_values,
            secret=await store.secret(SECRET),
            fetch=_fetch_nothing,
        )


async def _fetch_nothing(_: str) -> None:
    """Stand for the network: a command asks nobody."""


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
    return Extractor(definitions, zone=settings.time_zone, base_url=_base_url(settings))


def _extraction(extractor: Extractor) -> Callable[[bytes], IndexRecord]:
    return lambda body: extractor.extract(parse_resource(body))


def empty(settings: Settings) -> int:
    """Delete everything in the store; return how many resources there were. Raise FhirError."""
    return empty_store(settings.store_path)


async def add_member(settings: Settings, member: Member) -> Capabilities:
    """Ask a member what it can do and take it in; raise Failed, ValueError, or FhirError."""
    async with _members(settings) as (registry, transport):
        statement = await declared(member, transport, clock)
        return await registry.add(member, statement, now=clock())


async def members_of(settings: Settings) -> Sequence[Member]:
    """Return the members; raise FhirError."""
    async with _members(settings) as (registry, _):
        return await registry.members(now=clock())


async def check_members(
    settings: Settings, tell: Callable[[Member, Capabilities | Failed], None]
) -> None:
    """Ask each member anew what it can do, keep it, and tell how that went; raise FhirError."""
    async with _members(settings) as (registry, transport):
        for member in await registry.members(now=clock()):
            try:
                statement = await declared(member, transport, clock)
                tell(member, await registry.learn(member.id, statement, now=clock()))
            except Failed as failure:
                tell(member, failure)
            except ValueError as problem:
                tell(member, Failed("error", str(problem)))


async def remove_member(settings: Settings, member: str) -> bool:
    """Take a member out, and tell whether there was one; raise FhirError."""
    async with _members(settings) as (registry, _):
        return await registry.remove(member, now=clock())


@asynccontextmanager
async def _members(settings: Settings) -> AsyncIterator[tuple[Registry, Transport]]:
    async with (
        opened_store(settings) as store,
        transport_to(settings.member_networks) as transport,
    ):
        yield Registry(store.key_values), transport
